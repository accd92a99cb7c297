-- Time in two dimensions: what was believed before a correction, changes of the future, and which position an instant had.

-- An open row alone has asserted_to: the last instant asserted about its group.
ALTER TABLE read_model.entity_version ALTER COLUMN asserted_to DROP NOT NULL;
ALTER TABLE read_model.entity_detail_version ALTER COLUMN asserted_to DROP NOT NULL;
UPDATE read_model.entity_version SET asserted_to = NULL WHERE valid_to IS NOT NULL;
UPDATE read_model.entity_detail_version SET asserted_to = NULL WHERE valid_to IS NOT NULL;
ALTER TABLE read_model.entity_version
    ADD CONSTRAINT entity_version_open_is_asserted CHECK ((valid_to IS NULL) = (asserted_to IS NOT NULL));
ALTER TABLE read_model.entity_detail_version
    ADD CONSTRAINT entity_detail_version_open_is_asserted CHECK ((valid_to IS NULL) = (asserted_to IS NOT NULL));

-- Rows that were believed from recorded_from_position until an event at recorded_to_position told otherwise.
CREATE TABLE read_model.entity_version_superseded (
    id                      bigint      PRIMARY KEY,
    entity_uid              uuid        NOT NULL,
    display_name            text        NOT NULL,
    entity_type             text        NOT NULL,
    hashdiff                text        NOT NULL,
    valid_from              timestamptz NOT NULL,
    valid_to                timestamptz,
    recorded_from_position  bigint      NOT NULL,
    valid_to_known_position bigint,
    recorded_to_position    bigint      NOT NULL,
    created_at              timestamptz NOT NULL,
    updated_at              timestamptz NOT NULL,
    actor                   text        NOT NULL,
    search_name             text        NOT NULL,
    CONSTRAINT entity_version_superseded_not_empty CHECK (valid_from < valid_to),
    CONSTRAINT entity_version_superseded_was_believed CHECK (recorded_from_position < recorded_to_position),
    CONSTRAINT entity_version_superseded_end_is_known CHECK ((valid_to IS NULL) = (valid_to_known_position IS NULL))
);
CREATE INDEX entity_version_superseded_as_of ON read_model.entity_version_superseded (entity_uid, valid_from DESC);

CREATE TABLE read_model.entity_detail_version_superseded (
    id                      bigint      PRIMARY KEY,
    entity_uid              uuid        NOT NULL,
    detail_type             text        NOT NULL,
    detail_value            text        NOT NULL,
    hashdiff                text        NOT NULL,
    valid_from              timestamptz NOT NULL,
    valid_to                timestamptz,
    recorded_from_position  bigint      NOT NULL,
    valid_to_known_position bigint,
    recorded_to_position    bigint      NOT NULL,
    created_at              timestamptz NOT NULL,
    updated_at              timestamptz NOT NULL,
    actor                   text        NOT NULL,
    CONSTRAINT entity_detail_version_superseded_not_empty CHECK (valid_from < valid_to),
    CONSTRAINT entity_detail_version_superseded_was_believed CHECK (recorded_from_position < recorded_to_position),
    CONSTRAINT entity_detail_version_superseded_end_is_known CHECK ((valid_to IS NULL) = (valid_to_known_position IS NULL))
);
CREATE INDEX entity_detail_version_superseded_as_of
    ON read_model.entity_detail_version_superseded (entity_uid, detail_type, valid_from DESC);

-- Since when an entity is retired hangs on the clock: it is told by its rows. The instants that were to come when its
-- last event was recorded tell how many of its change points are due.
ALTER TABLE read_model.entity_head DROP COLUMN retired_at;
ALTER TABLE read_model.entity_head ADD COLUMN schedule timestamptz[] NOT NULL DEFAULT '{}';

-- The event of an audit entry, and the reason that its command gave.
ALTER TABLE read_model.audit_entry ADD COLUMN event_id uuid, ADD COLUMN reason text;
UPDATE read_model.audit_entry a SET event_id = e.event_id, reason = e.payload -> 'context' ->> 'reason'
    FROM log.event e WHERE e.position = a.position;
ALTER TABLE read_model.audit_entry ALTER COLUMN event_id SET NOT NULL;

ALTER TABLE read_model.entity_head ALTER COLUMN registered_at DROP NOT NULL; -- what registered it may be cancelled

-- Up to when it is known which events had been recorded, all of them projected. And is_current is exact at an instant,
-- of an empty read model too.
ALTER TABLE read_model.checkpoint ADD COLUMN settled_at timestamptz NOT NULL DEFAULT '-infinity';
UPDATE read_model.checkpoint SET settled_at = recorded_at, clock_at = greatest(clock_at, recorded_at, now());

-- An instant up to which no event will be recorded any more, where the log ends at this position; NULL where it does not.
-- Whoever appends takes the clock under the same lock: what comes is later. Raises lock_not_available, rather than
-- wait for one who hangs.
CREATE FUNCTION log.settled_at(last bigint) RETURNS timestamptz LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp SET lock_timeout = '100ms' AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(4011, 1);  -- a statement of its own: the next one reads what is committed by now
    RETURN (
        SELECT greatest(clock_timestamp() - interval '1 microsecond', max(h.recorded_at))
        FROM (SELECT e.position, e.recorded_at FROM log.event e ORDER BY e.position DESC LIMIT 1) h
        HAVING coalesce(max(h.position), 0) = last
    );
END $$;

-- The last position recorded at or before an instant, 0 before the first: positions are gapless and recorded_at rises
-- with them, so a search by halves needs no index.
CREATE FUNCTION log.position_at(instant timestamptz) RETURNS bigint LANGUAGE plpgsql STABLE PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    low  bigint := 0;
    high bigint := coalesce((SELECT e.position FROM log.event e ORDER BY e.position DESC LIMIT 1), 0);
    half bigint;
BEGIN
    WHILE low < high LOOP
        half := (low + high + 1) / 2;
        IF (SELECT e.recorded_at FROM log.event e WHERE e.position = half) <= instant THEN
            low := half;
        ELSE
            high := half - 1;
        END IF;
    END LOOP;
    RETURN low;
END $$;

-- A change may take effect in the future: the verdict 'early' is gone.
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
) LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_variable
DECLARE
    head_position   bigint;
    head_link       bytea;
    head_recorded   timestamptz;
    first_position  bigint;
    clock           timestamptz;
    last_ids        uuid[];
    last_versions   integer[];
    known_commands  uuid[];
    receipt         log.command_receipt;
    expectation     integer := 1;
    event           integer := 1;
    first_event     integer;
    ordinal         smallint;
    s               integer;
    digest          bytea;
    effective       timestamptz;
    -- what is to be inserted, one element an event
    r_events        integer[] := '{}';
    r_positions     bigint[] := '{}';
    r_versions      integer[] := '{}';
    r_ordinals      smallint[] := '{}';
    r_effective_ats timestamptz[] := '{}';
    r_recorded_ats  timestamptz[] := '{}';
    r_digests       bytea[] := '{}';
    r_links         bytea[] := '{}';
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

    SELECT array_agg(h.event_id ORDER BY t.n), array_agg(coalesce(h.version, 0) ORDER BY t.n)
        INTO last_ids, last_versions
        FROM unnest(streams) WITH ORDINALITY t (stream, n)
        LEFT JOIN LATERAL (
            SELECT e.event_id, e.version FROM log.event e
            WHERE e.stream = t.stream ORDER BY e.version DESC LIMIT 1
        ) h ON true;
    SELECT array_agg(e.command_id) INTO known_commands
        FROM log.event e WHERE e.command_id = ANY (command_ids) AND e.ordinal = 0;

    FOR c IN 1 .. cardinality(command_ids) LOOP
        verdict := NULL; event_id := NULL; version := NULL; status := NULL; request_digest := NULL;
        s := command_streams[c];
        stream := streams[s];
        recorded_at := greatest(clock, head_recorded + interval '1 microsecond');
        position := head_position;
        first_event := event;

        IF command_ids[c] = ANY (known_commands) THEN
            verdict := 'duplicate';
            SELECT e.event_id, e.stream, e.recorded_at INTO event_id, stream, recorded_at
                FROM log.event e WHERE e.command_id = command_ids[c] AND e.ordinal = 0;
            SELECT max(e.position), max(e.version) INTO position, version
                FROM log.event e WHERE e.command_id = command_ids[c];
        ELSIF receipt_keys[c] IS NOT NULL THEN
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

        WHILE expectation <= cardinality(expected_commands) AND expected_commands[expectation] = c LOOP
            IF verdict IS NULL
                AND last_ids[expected_streams[expectation]] IS DISTINCT FROM expected_event_ids[expectation] THEN
                verdict := 'conflict';
            END IF;
            expectation := expectation + 1;
        END LOOP;
        IF verdict IS NULL AND recorded_at >= decided_untils[c] THEN
            verdict := 'conflict';
        END IF;
        WHILE event <= cardinality(event_commands) AND event_commands[event] = c LOOP
            event := event + 1;
        END LOOP;

        IF verdict IS NULL THEN
            verdict := CASE WHEN event > first_event THEN 'appended' ELSE 'checked' END;
            ordinal := 0;
            FOR n IN first_event .. event - 1 LOOP
                s := event_streams[n];
                head_position := head_position + 1;
                head_recorded := recorded_at + ordinal * interval '1 microsecond';
                effective := coalesce(event_effective_ats[n], head_recorded);
                digest := sha256(event_salts[n] || convert_to(event_payloads[n], 'UTF8'));
                last_ids[s] := event_ids[n];
                last_versions[s] := last_versions[s] + 1;
                head_link := log.link(
                    head_link, head_position, event_ids[n], streams[s], last_versions[s], event_types[n],
                    event_schema_versions[n], effective, event_effective_untils[n], head_recorded,
                    command_ids[c], ordinal, event_metadatas[n], digest
                );
                r_events := r_events || n;
                r_positions := r_positions || head_position;
                r_versions := r_versions || last_versions[s];
                r_ordinals := r_ordinals || ordinal;
                r_effective_ats := r_effective_ats || effective;
                r_recorded_ats := r_recorded_ats || head_recorded;
                r_digests := r_digests || digest;
                r_links := r_links || head_link;
                ordinal := ordinal + 1::smallint;
            END LOOP;
            IF event > first_event THEN
                position := head_position;
                event_id := event_ids[first_event];
            END IF;
            version := last_versions[command_streams[c]];
            IF receipt_keys[c] IS NOT NULL AND receipt_statuses[c] IS NOT NULL THEN
                INSERT INTO log.command_receipt AS r
                    VALUES (receipt_keys[c], receipt_digests[c], stream, version, receipt_statuses[c], position,
                            event_id, recorded_at)
                    ON CONFLICT (key) DO UPDATE SET
                        stream = excluded.stream, version = excluded.version, status = excluded.status,
                        position = excluded.position, event_id = excluded.event_id,
                        recorded_at = excluded.recorded_at;
            END IF;
        END IF;
        RETURN NEXT;
    END LOOP;

    IF head_position > first_position THEN
        INSERT INTO log.event
            SELECT t.position, event_ids[t.n], streams[event_streams[t.n]], t.version, event_types[t.n],
                   event_schema_versions[t.n], t.effective_at, event_effective_untils[t.n], t.recorded_at,
                   event_payloads[t.n]::json, event_salts[t.n], t.digest, t.link, command_ids[event_commands[t.n]],
                   t.ordinal, event_metadatas[t.n]::json
            FROM unnest(r_events, r_positions, r_versions, r_ordinals, r_effective_ats, r_recorded_ats, r_digests, r_links)
                AS t (n, position, version, ordinal, effective_at, recorded_at, digest, link);
        PERFORM pg_notify('cockpit_event', head_position::text);
    END IF;
END $$;

