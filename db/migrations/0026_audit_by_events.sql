-- The audit trail costs less to write, and is paged and counted without a look at what is not shown. All entries of an event
-- share actor, request, entity and instant, and each audited event has a first one: audit_id is its position * 65536. So
-- only first entries are in indexes, and the rest of an event is a range of the primary key behind each. The last file of
-- this number puts these in the place of those before: to build them keeps no reader waiting, to drop an index does.
CREATE INDEX audit_entry_by_entity_first ON read_model.audit_entry (entity_uid, audit_id DESC) WHERE audit_id & 65535 = 0;
CREATE INDEX audit_entry_by_actor_first ON read_model.audit_entry (actor, audit_id DESC) WHERE audit_id & 65535 = 0;
CREATE INDEX audit_entry_by_request_first ON read_model.audit_entry (request_id, audit_id DESC) WHERE audit_id & 65535 = 0;

-- How many entries there are, exactly and whatever their number: a mark says how many a block of audit_ids has, of 128
-- positions (the last 23 bits are any) or of 32,768 (31 bits). What comes after the last mark is counted in the table, so
-- marks are written when a block is full. They follow from the rows of audit_entry and are written with them. Where there
-- are none, all is counted.
-- Marks rest on there being one writer: who writes entries holds the row of the checkpoint, as the projector and `refold` do.
-- Of two at a time that do not, one may fill a block that the other has entries for, uncommitted: nobody counts those then.
-- `cockpit verify` finds that, and marks are set anew by
--     BEGIN; SELECT FROM read_model.checkpoint WHERE name = 'read_model' FOR UPDATE;
--     DELETE FROM read_model.audit_mark; SELECT projection.set_audit_marks('read_model.audit_entry'); COMMIT;
CREATE TABLE read_model.audit_mark (
    bits    integer,         -- 23 or 31
    block   bigint,          -- an audit_id without so many bits; the last one of 23 says how far there are marks
    entries bigint NOT NULL,
    PRIMARY KEY (bits, block)
) WITH (fillfactor = 50);

-- How many entries come before an audit_id.
CREATE FUNCTION read_model.entries_before(upto bigint) RETURNS bigint LANGUAGE sql STRICT STABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT (SELECT coalesce(sum(m.entries), 0)::bigint FROM read_model.audit_mark m
            WHERE m.bits = 31 AND m.block < b.last >> 8)
         + (SELECT coalesce(sum(m.entries), 0)::bigint FROM read_model.audit_mark m
            WHERE m.bits = 23 AND m.block >= (b.last >> 8) << 8 AND m.block < b.last)
         + (SELECT count(*) FROM read_model.audit_entry e WHERE e.audit_id >= b.last << 23 AND e.audit_id < upto)
    FROM (SELECT least(upto >> 23, coalesce(max(m.block) + 1, 0)) AS last FROM read_model.audit_mark m WHERE m.bits = 23) b;
END;

-- The end of the block that has the entry of a number, the oldest being 1, and how many entries come before that end; both
-- are NULL where it comes after the last mark.
CREATE FUNCTION read_model.block_of_entry(number bigint, OUT upto bigint, OUT entries bigint) LANGUAGE sql STRICT STABLE PARALLEL SAFE
BEGIN ATOMIC
    WITH wide AS (
        SELECT w.block, w.upto - w.entries AS before
        FROM (SELECT m.block, m.entries, sum(m.entries) OVER (ORDER BY m.block) AS upto FROM read_model.audit_mark m
              WHERE m.bits = 31) w
        WHERE w.upto >= number ORDER BY w.block LIMIT 1
    ), narrow AS (
        SELECT m.block, w.before + sum(m.entries) OVER (ORDER BY m.block) AS upto
        FROM wide w JOIN read_model.audit_mark m ON m.bits = 23 AND m.block >= w.block << 8 AND m.block < (w.block + 1) << 8
    )
    SELECT (n.block + 1) << 23, n.upto::bigint FROM narrow n WHERE n.upto >= number ORDER BY n.block LIMIT 1;
END;

-- The audit_id from which on entries were recorded at or after an instant. Events are recorded in the order of their
-- positions, so a search by halves needs no index of its own.
CREATE FUNCTION read_model.first_entry_at(instant timestamptz) RETURNS bigint LANGUAGE sql STRICT STABLE PARALLEL SAFE
BEGIN ATOMIC
    WITH RECURSIVE search (low, high) AS (
        SELECT 0::bigint, coalesce((SELECT max(e.audit_id) / 65536 + 1 FROM read_model.audit_entry e), 0)
        UNION ALL
        SELECT CASE WHEN h.is_before THEN h.half + 1 ELSE s.low END, CASE WHEN h.is_before THEN s.high ELSE h.half END
        FROM search s CROSS JOIN LATERAL (
            SELECT (s.low + s.high) / 2 AS half, coalesce((
                SELECT e.recorded_at < instant FROM read_model.audit_entry e
                WHERE e.audit_id < ((s.low + s.high) / 2 + 1) * 65536
                ORDER BY e.audit_id DESC LIMIT 1), true) AS is_before
        ) h
        WHERE s.low < s.high
    )
    SELECT max(s.low) * 65536 FROM search s;
END;

-- Set the marks of what comes after the last one, as far as blocks are full: that of the newest entry is not.
CREATE FUNCTION projection.set_audit_marks(table_name regclass) RETURNS void LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    since bigint; -- the first block without a mark
    until bigint;
BEGIN
    PERFORM set_config('search_path', relnamespace::regnamespace || ', pg_catalog, pg_temp', true)
        FROM pg_class WHERE oid = table_name;
    SELECT coalesce(max(block) + 1, 0) INTO since FROM audit_mark WHERE bits = 23;
    SELECT max(audit_id) >> 23 INTO until FROM audit_entry;
    WITH narrow AS (
        SELECT audit_id >> 23 AS block, count(*) AS entries FROM audit_entry
        WHERE audit_id >= since << 23 AND audit_id < until << 23 GROUP BY 1
        UNION ALL
        SELECT until - 1, 0 WHERE until > since -- it may have no entries, and says how far there are marks
    )
    INSERT INTO audit_mark AS m (bits, block, entries)
        SELECT 23, block, sum(entries) FROM narrow GROUP BY 2
        UNION ALL
        SELECT 31, block >> 8, sum(entries) FROM narrow GROUP BY 2
        ON CONFLICT (bits, block) DO UPDATE SET entries = m.entries + excluded.entries;
END $$;

-- Count what a statement did to audit_entry: what comes after the last mark only where that makes a block full. Where there
-- are no marks yet, any statement has them set, whatever it changes.
CREATE FUNCTION projection.count_entries() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    since bigint;
    first bigint;
    last  bigint;
BEGIN
    PERFORM set_config('search_path', quote_ident(TG_TABLE_SCHEMA) || ', pg_catalog, pg_temp', true);
    IF TG_OP = 'TRUNCATE' THEN
        DELETE FROM audit_mark;
        RETURN NULL;
    END IF;
    IF TG_OP = 'DELETE' THEN
        SELECT coalesce(max(block) + 1, 0) INTO since FROM audit_mark WHERE bits = 23;
    ELSE
        SELECT (SELECT coalesce(max(block) + 1, 0) FROM audit_mark WHERE bits = 23), min(audit_id) >> 23, max(audit_id) >> 23
            INTO since, first, last FROM became;
    END IF;
    IF TG_OP <> 'INSERT' THEN
        INSERT INTO audit_mark AS m (bits, block, entries)
            SELECT width, audit_id >> width, -count(*) FROM was, unnest(ARRAY[23, 31]) AS width
            WHERE audit_id < since << 23 GROUP BY 1, 2
            ON CONFLICT (bits, block) DO UPDATE SET entries = m.entries + excluded.entries;
    END IF;
    IF first < since THEN
        INSERT INTO audit_mark AS m (bits, block, entries)
            SELECT width, audit_id >> width, count(*) FROM became, unnest(ARRAY[23, 31]) AS width
            WHERE audit_id < since << 23 GROUP BY 1, 2
            ON CONFLICT (bits, block) DO UPDATE SET entries = m.entries + excluded.entries;
    END IF;
    IF last > since OR since = 0 THEN
        PERFORM projection.set_audit_marks(TG_RELID);
    END IF;
    RETURN NULL;
END $$;
REVOKE ALL ON FUNCTION projection.set_audit_marks, projection.count_entries FROM PUBLIC;

CREATE TRIGGER inserted_entries_are_counted AFTER INSERT ON read_model.audit_entry
    REFERENCING NEW TABLE AS became FOR EACH STATEMENT EXECUTE FUNCTION projection.count_entries();
CREATE TRIGGER updated_entries_are_counted AFTER UPDATE ON read_model.audit_entry
    REFERENCING OLD TABLE AS was NEW TABLE AS became FOR EACH STATEMENT EXECUTE FUNCTION projection.count_entries();
CREATE TRIGGER deleted_entries_are_counted AFTER DELETE ON read_model.audit_entry
    REFERENCING OLD TABLE AS was FOR EACH STATEMENT EXECUTE FUNCTION projection.count_entries();
CREATE TRIGGER truncated_entries_are_counted AFTER TRUNCATE ON read_model.audit_entry
    FOR EACH STATEMENT EXECUTE FUNCTION projection.count_entries();
ALTER TABLE read_model.audit_entry ENABLE ALWAYS TRIGGER inserted_entries_are_counted;
ALTER TABLE read_model.audit_entry ENABLE ALWAYS TRIGGER updated_entries_are_counted;
ALTER TABLE read_model.audit_entry ENABLE ALWAYS TRIGGER deleted_entries_are_counted;
ALTER TABLE read_model.audit_entry ENABLE ALWAYS TRIGGER truncated_entries_are_counted;

-- With the triggers there, nobody else writes until this transaction ends: what was written before them is seen here.
SELECT projection.set_audit_marks('read_model.audit_entry');
