-- What can be done for a whole batch at once is: receipts, digests and envelopes. Only what hangs on the command before is
-- done one by one: the verdicts, and the links.

-- The same bytes as before, from functions that are immutable, so that it is made part of the query that calls it.
CREATE OR REPLACE FUNCTION log.instant_bytes(instant timestamptz) RETURNS bytea LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN int8send(CASE
    WHEN instant IS NULL THEN -9223372036854775808
    WHEN instant = 'infinity' THEN 9223372036854775807
    ELSE (extract(epoch FROM instant - timestamptz '1970-01-01 00:00+00') * 1000000)::bigint
END);

-- NOTE: a storage format. What an event's link covers beside the link before it. STABLE as convert_to is: as IMMUTABLE it
-- would be called once an event.
CREATE FUNCTION log.envelope(
    position_ bigint, event_id uuid, stream text, version integer, type text, schema_version smallint,
    effective_at timestamptz, effective_until timestamptz, recorded_at timestamptz, command_id uuid, ordinal smallint,
    metadata text, payload_digest bytea
) RETURNS bytea LANGUAGE sql STABLE PARALLEL SAFE
RETURN int8send(position_) || uuid_send(event_id) || log.sized_bytes(convert_to(stream, 'UTF8'))
    || int4send(version) || log.sized_bytes(convert_to(type, 'UTF8')) || int2send(schema_version)
    || log.instant_bytes(effective_at) || log.instant_bytes(effective_until) || log.instant_bytes(recorded_at)
    || uuid_send(command_id) || int2send(ordinal) || log.sized_bytes(convert_to(metadata, 'UTF8')) || payload_digest;

-- NOTE: a storage format. link = sha256(previous link || envelope || payload_digest); before the first event, 32 zero bytes.
CREATE OR REPLACE FUNCTION log.link(
    previous bytea, position_ bigint, event_id uuid, stream text, version integer, type text, schema_version smallint,
    effective_at timestamptz, effective_until timestamptz, recorded_at timestamptz, command_id uuid, ordinal smallint,
    metadata text, payload_digest bytea
) RETURNS bytea LANGUAGE sql STABLE PARALLEL SAFE
RETURN sha256(previous || log.envelope(
    position_, event_id, stream, version, type, schema_version, effective_at, effective_until, recorded_at, command_id,
    ordinal, metadata, payload_digest
));

-- Verdicts: 'appended'; 'checked' (it had no events, and what it was decided on still holds); 'conflict' (it does not
-- hold any more, nothing was appended); 'duplicate' (its key or its command_id was answered before: the first answer).
-- Expectations and events name their command by its place in the arrays, from 1, and come sorted by it; streams are
-- named by their place in `streams`. An expected event_id of NULL means that the stream is empty.
CREATE OR REPLACE FUNCTION log.append_events(
    streams             text[],
    command_ids         uuid[],
    command_streams     integer[],      -- whose version a receipt keeps
    decided_untils      timestamptz[],  -- recorded at or after it is a conflict; NULL: no such limit
    receipt_keys        bytea[],        -- NULL: no receipt
    receipt_digests     bytea[],
    receipt_statuses    smallint[],     -- NULL: look the key up, keep nothing (the command was refused)
    receipt_windows     interval[],     -- NULL: the key decides for good; else it holds for so long and at version 1
    expected_commands   integer[],
    expected_streams    integer[],
    expected_event_ids  uuid[],
    event_commands      integer[],
    event_streams       integer[],
    event_ids           uuid[],
    event_types         text[],
    event_schema_versions smallint[],
    event_effective_ats timestamptz[],  -- NULL: recorded_at
    event_effective_untils timestamptz[],
    event_payloads      text[],
    event_salts         bytea[],
    event_metadatas     text[]
) RETURNS TABLE (
    verdict text, "position" bigint, event_id uuid, stream text, version integer, recorded_at timestamptz,
    status smallint, request_digest bytea
) LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off  -- a plan that was made while the log was small is kept while it grows
AS $$
#variable_conflict use_variable
DECLARE
    commands        CONSTANT integer := cardinality(command_ids);
    expectations    CONSTANT integer := cardinality(expected_commands);
    events          CONSTANT integer := cardinality(event_commands);
    microsecond     CONSTANT interval := interval '1 microsecond';
    head_position   bigint;
    head_link       bytea;
    head_recorded   timestamptz;
    first_position  bigint;
    clock           timestamptz;
    first_recorded  timestamptz;        -- of the first event of this batch; each next one is a microsecond later
    last_ids        uuid[];
    last_versions   integer[];
    known_commands  uuid[];
    known_receipts  bigint[];           -- the commands whose key has been answered before this batch
    is_key_repeated boolean;            -- within this batch
    receipt         log.command_receipt;
    expectation     integer := 1;
    event           integer := 1;
    first_event     integer;
    s               integer;
    envelope        bytea;
    -- what is to be inserted, one element an event
    r_events        integer[] := '{}';
    r_versions      integer[] := '{}';
    r_ordinals      smallint[] := '{}';
    r_digests       bytea[];
    r_envelopes     bytea[];
    r_links         bytea[] := '{}';
    -- the receipts that are to be kept, one element a command
    k_commands      integer[] := '{}';
    k_versions      integer[] := '{}';
    k_positions     bigint[] := '{}';
    k_event_ids     uuid[] := '{}';
    k_recorded_ats  timestamptz[] := '{}';
BEGIN
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE EXCEPTION 'append_events needs READ COMMITTED: every statement below must see what the lock waited for'
            USING ERRCODE = 'CK003';
    END IF;
    PERFORM pg_advisory_xact_lock(4011, 1);  -- a statement of its own: the next ones read what is committed by now

    SELECT e.position, e.link, e.recorded_at INTO head_position, head_link, head_recorded
        FROM log.event e ORDER BY e.position DESC LIMIT 1;
    head_position := coalesce(head_position, 0);
    head_link := coalesce(head_link, decode(repeat('00', 32), 'hex'));
    first_position := head_position;
    clock := clock_timestamp();
    IF clock < head_recorded - interval '1 second' THEN
        RAISE EXCEPTION 'the clock is % behind the last event', head_recorded - clock USING ERRCODE = 'CK001';
    END IF;

    first_recorded := greatest(clock, head_recorded + microsecond);

    SELECT array_agg(h.event_id ORDER BY t.n), array_agg(coalesce(h.version, 0) ORDER BY t.n)
        INTO last_ids, last_versions
        FROM unnest(streams) WITH ORDINALITY t (stream, n)
        LEFT JOIN LATERAL (
            SELECT e.event_id, e.version FROM log.event e
            WHERE e.stream = t.stream ORDER BY e.version DESC LIMIT 1
        ) h ON true;
    SELECT array_agg(e.command_id) INTO known_commands
        FROM unnest(command_ids) t (command_id), LATERAL (
            SELECT e.command_id FROM log.event e WHERE e.command_id = t.command_id AND e.ordinal = 0 LIMIT 1
        ) e;
    SELECT array_agg(t.n) FILTER (WHERE r.is_kept), count(DISTINCT t.key) < count(t.key)
        INTO known_receipts, is_key_repeated
        FROM unnest(receipt_keys) WITH ORDINALITY t (key, n) LEFT JOIN LATERAL (
            SELECT true AS is_kept FROM log.command_receipt r WHERE r.key = t.key LIMIT 1
        ) r ON true;

    FOR c IN 1 .. commands LOOP
        verdict := NULL; event_id := NULL; version := NULL; status := NULL; request_digest := NULL;
        stream := streams[command_streams[c]];
        recorded_at := first_recorded + (head_position - first_position) * microsecond;
        position := head_position;
        first_event := event;

        IF command_ids[c] = ANY (known_commands) THEN
            verdict := 'duplicate';
            SELECT e.event_id, e.stream, e.recorded_at INTO event_id, stream, recorded_at
                FROM log.event e WHERE e.command_id = command_ids[c] AND e.ordinal = 0;
            SELECT max(e.position), max(e.version) INTO position, version
                FROM log.event e WHERE e.command_id = command_ids[c];
        ELSIF is_key_repeated OR c = ANY (known_receipts) THEN
            SELECT * INTO receipt FROM log.command_receipt r WHERE r.key = receipt_keys[c];
            IF found AND (receipt_windows[c] IS NULL OR (
                receipt.recorded_at > clock - receipt_windows[c]
                AND coalesce(
                    last_versions[array_position(streams, receipt.stream)],  -- it may stand in this very batch
                    (SELECT max(e.version) FROM log.event e WHERE e.stream = receipt.stream)
                ) = 1
            )) THEN
                verdict := 'duplicate';
                position := receipt.position; event_id := receipt.event_id; stream := receipt.stream;
                version := receipt.version; recorded_at := receipt.recorded_at; status := receipt.status;
                request_digest := receipt.request_digest;
            END IF;
        END IF;

        WHILE expectation <= expectations AND expected_commands[expectation] = c LOOP
            IF verdict IS NULL
                AND last_ids[expected_streams[expectation]] IS DISTINCT FROM expected_event_ids[expectation] THEN
                verdict := 'conflict';
            END IF;
            expectation := expectation + 1;
        END LOOP;
        IF verdict IS NULL AND recorded_at >= decided_untils[c] THEN
            verdict := 'conflict';
        END IF;
        WHILE event <= events AND event_commands[event] = c LOOP
            IF verdict IS NULL THEN
                s := event_streams[event];
                head_position := head_position + 1;
                last_ids[s] := event_ids[event];
                last_versions[s] := last_versions[s] + 1;
                r_events := r_events || event;
                r_versions := r_versions || last_versions[s];
                r_ordinals := r_ordinals || (event - first_event)::smallint;
            END IF;
            event := event + 1;
        END LOOP;

        IF verdict IS NULL THEN
            verdict := 'checked';
            IF event > first_event THEN
                verdict := 'appended';
                position := head_position;
                event_id := event_ids[first_event];
            END IF;
            version := last_versions[command_streams[c]];
            IF receipt_keys[c] IS NOT NULL AND receipt_statuses[c] IS NOT NULL THEN
                k_commands := k_commands || c;
                k_versions := k_versions || version;
                k_positions := k_positions || position;
                k_event_ids := k_event_ids || event_id;
                k_recorded_ats := k_recorded_ats || recorded_at;
            END IF;
        END IF;
        RETURN NEXT;

        IF k_commands <> '{}' AND (c = commands OR is_key_repeated) THEN
            INSERT INTO log.command_receipt AS r
                SELECT receipt_keys[t.c], receipt_digests[t.c], streams[command_streams[t.c]], t.version,
                       receipt_statuses[t.c], t.position, t.event_id, t.recorded_at
                FROM unnest(k_commands, k_versions, k_positions, k_event_ids, k_recorded_ats)
                    AS t (c, version, position, event_id, recorded_at)
                ON CONFLICT (key) DO UPDATE SET
                    stream = excluded.stream, version = excluded.version, status = excluded.status,
                    position = excluded.position, event_id = excluded.event_id,
                    recorded_at = excluded.recorded_at;
            k_commands := '{}'; k_versions := '{}'; k_positions := '{}'; k_event_ids := '{}'; k_recorded_ats := '{}';
        END IF;
    END LOOP;

    IF head_position > first_position THEN
        SELECT array_agg(e.digest ORDER BY t.nth), array_agg(log.envelope(
                first_position + t.nth, event_ids[t.n], streams[event_streams[t.n]], t.version, event_types[t.n],
                event_schema_versions[t.n], coalesce(event_effective_ats[t.n], e.recorded_at),
                event_effective_untils[t.n], e.recorded_at, command_ids[event_commands[t.n]], t.ordinal,
                event_metadatas[t.n], e.digest
            ) ORDER BY t.nth)
            INTO r_digests, r_envelopes
            FROM unnest(r_events, r_versions, r_ordinals) WITH ORDINALITY AS t (n, version, ordinal, nth), LATERAL (
                SELECT first_recorded + (t.nth - 1) * microsecond AS recorded_at,
                       sha256(event_salts[t.n] || convert_to(event_payloads[t.n], 'UTF8')) AS digest
                OFFSET 0  -- once each
            ) e;
        FOREACH envelope IN ARRAY r_envelopes LOOP
            head_link := sha256(head_link || envelope);
            r_links := r_links || head_link;
        END LOOP;
        INSERT INTO log.event
            SELECT first_position + t.nth, event_ids[t.n], streams[event_streams[t.n]], t.version, event_types[t.n],
                   event_schema_versions[t.n], coalesce(event_effective_ats[t.n], e.recorded_at),
                   event_effective_untils[t.n], e.recorded_at, event_payloads[t.n]::json, event_salts[t.n], t.digest,
                   t.link, command_ids[event_commands[t.n]], t.ordinal, event_metadatas[t.n]::json
            FROM unnest(r_events, r_versions, r_ordinals, r_digests, r_links) WITH ORDINALITY
                AS t (n, version, ordinal, digest, link, nth),
                LATERAL (SELECT first_recorded + (t.nth - 1) * microsecond AS recorded_at) e;
        PERFORM pg_notify('cockpit_event', head_position::text);
    END IF;
END $$;

REVOKE ALL ON FUNCTION log.append_events FROM PUBLIC;
