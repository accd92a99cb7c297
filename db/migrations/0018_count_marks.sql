-- How many entities exist at an instant, exactly and whatever their number: along valid time stand marks, each with how
-- many more begin than end since the mark before; what an instant has after its last mark is counted in the table. The
-- marks follow from the rows of entity_version and are written with them. Where there are none, all is counted.
CREATE TABLE read_model.count_mark (
    entity_type text        COLLATE "C",       -- '' stands for all of them: just these rows say where the marks are
    upto        timestamptz,                   -- the mark: the last instant that counts
    net         integer     NOT NULL,          -- how many more rows begin than end after the mark before and up to this one
    turns       integer     NOT NULL,          -- how many begin or end between the marks: so many may have to be looked at
    PRIMARY KEY (entity_type, upto)
) WITH (fillfactor = 50);

-- How many entities exist at an instant, of one type where that is not NULL, by what is known now.
CREATE FUNCTION read_model.entities_at(instant timestamptz, of_type text) RETURNS bigint LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT m.net
           + (SELECT count(*) FROM (
                  SELECT v.entity_type FROM read_model.entity_version v
                  WHERE v.valid_from > m.upto AND v.valid_from <= instant OFFSET 0) began
              WHERE of_type IS NULL OR began.entity_type = of_type)
           - (SELECT count(*) FROM (
                  SELECT v.entity_type FROM read_model.entity_version v
                  WHERE v.valid_to > m.upto AND v.valid_to <= instant OFFSET 0) ended -- few, whatever the type
              WHERE of_type IS NULL OR ended.entity_type = of_type)
    FROM (SELECT (SELECT coalesce(sum(c.net), 0) FROM read_model.count_mark c
                  WHERE c.entity_type = coalesce(of_type, '') AND c.upto <= instant) AS net,
                 coalesce((SELECT max(c.upto) FROM read_model.count_mark c
                           WHERE c.entity_type = '' AND c.upto <= instant), '-infinity') AS upto) m;
END;

-- The same by what was known at a position. What became known since then hangs on the entities with an event since then:
-- where these are few, they alone are looked at.
CREATE FUNCTION read_model.entities_known_at(instant timestamptz, of_type text, known bigint, reached bigint) RETURNS bigint
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    WITH since AS (
        SELECT reached - known AS events -- the checkpoint is at `reached`
    ), changed AS MATERIALIZED (
        SELECT DISTINCT a.entity_uid
        FROM (SELECT e.entity_uid FROM read_model.audit_entry e WHERE e.audit_id >= (least(known, reached) + 1) * 65536
              ORDER BY e.audit_id OFFSET 0) a -- in order: where nobody knows how few they are, it is read through the index, too
    )
    SELECT CASE
        WHEN (SELECT s.events FROM since s) <= 0 THEN read_model.entities_at(instant, of_type)
        WHEN (SELECT s.events FROM since s) <= 5000 THEN
            read_model.entities_at(instant, of_type)
            - (SELECT count(*) FROM changed c, LATERAL (
                   SELECT FROM read_model.entity_version v
                   WHERE v.entity_uid = c.entity_uid AND v.valid_from <= instant
                     AND (v.valid_to IS NULL OR v.valid_to > instant) AND (of_type IS NULL OR v.entity_type = of_type)
                   OFFSET 0) now) -- one look-up an entity
            + (SELECT count(*) FROM changed c, LATERAL (
                   SELECT FROM read_model.entity_version_known(known) v
                   WHERE v.entity_uid = c.entity_uid AND v.valid_from <= instant
                     AND (v.valid_to IS NULL OR v.valid_to > instant) AND (of_type IS NULL OR v.entity_type = of_type)
                   OFFSET 0) before)
        ELSE (SELECT count(*) FROM read_model.entity_version_known(known) v
              WHERE v.valid_from <= instant AND (v.valid_to IS NULL OR v.valid_to > instant)
                AND (of_type IS NULL OR v.entity_type = of_type))
    END;
END;

-- Set the marks after one of them and up to another anew, a thousand rows that begin or end between two of them.
CREATE FUNCTION projection.set_marks(table_name regclass, since timestamptz, until timestamptz) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM set_config('search_path', relnamespace::regnamespace || ', pg_catalog, pg_temp', true)
        FROM pg_class WHERE oid = table_name;
    DELETE FROM count_mark WHERE upto > since AND upto <= until;
    INSERT INTO count_mark (entity_type, upto, net, turns)
        WITH turn (at, entity_type, net) AS (
            SELECT valid_from, entity_type, 1 FROM entity_version WHERE valid_from > since AND valid_from <= until
            UNION ALL
            SELECT valid_to, entity_type, -1 FROM entity_version WHERE valid_to > since AND valid_to <= until
        ), instant AS (  -- all of an instant stay together, and a mark stands at the last instant of a thousand
            SELECT at, (sum(count(*)) OVER (ORDER BY at) - count(*))::bigint / 1000 AS portion FROM turn GROUP BY at
        ), placed AS (
            SELECT at, max(at) OVER (PARTITION BY portion) AS upto FROM instant
        )
        SELECT coalesce(t.entity_type, ''), p.upto, sum(t.net), count(*) FILTER (WHERE t.at < p.upto)
        FROM turn t JOIN placed p USING (at)
        GROUP BY GROUPING SETS ((p.upto), (p.upto, t.entity_type))
        HAVING t.entity_type IS DISTINCT FROM '';
    INSERT INTO count_mark VALUES ('', until, 0, 0) ON CONFLICT DO NOTHING;
END $$;

-- Count what a statement did to entity_version; where too many rows begin or end between two marks, more are set. A
-- statement may insert, update or delete such rows, only one of these: marks that are set have already counted the rest.
CREATE FUNCTION projection.count_rows() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    types   text[];
    starts  timestamptz[];
    ends    timestamptz[];
    signs   integer[];
    crowded timestamptz;
BEGIN
    PERFORM set_config('search_path', quote_ident(TG_TABLE_SCHEMA) || ', pg_catalog, pg_temp', true);
    IF TG_OP = 'TRUNCATE' OR NOT EXISTS (SELECT FROM count_mark) THEN
        PERFORM projection.set_marks(TG_RELID, '-infinity', 'infinity');
        RETURN NULL;
    END IF;
    IF TG_OP <> 'DELETE' THEN
        SELECT array_agg(entity_type), array_agg(valid_from), array_agg(valid_to), array_agg(1)
            INTO types, starts, ends, signs FROM became;
    END IF;
    IF TG_OP <> 'INSERT' THEN
        SELECT types || array_agg(entity_type), starts || array_agg(valid_from), ends || array_agg(valid_to),
               signs || array_agg(-1)
            INTO types, starts, ends, signs FROM was;
    END IF;
    FOR crowded IN
        WITH turn (at, entity_type, net, turns) AS (
            SELECT start, type, sign, sign FROM unnest(starts, types, signs) AS t (start, type, sign)
            UNION ALL
            SELECT stop, type, -sign, sign FROM unnest(ends, types, signs) AS t (stop, type, sign) WHERE stop IS NOT NULL
        ), changed AS (
            SELECT at, entity_type, sum(net) AS net, sum(turns) AS turns FROM turn GROUP BY at, entity_type
            HAVING sum(net) <> 0 OR sum(turns) <> 0
        ), placed AS (
            SELECT *, (SELECT m.upto FROM count_mark m WHERE m.entity_type = '' AND m.upto >= at ORDER BY m.upto LIMIT 1)
            FROM changed
        ), counted AS (
            INSERT INTO count_mark AS m (entity_type, upto, net, turns)
            SELECT coalesce(entity_type, ''), upto, sum(net), coalesce(sum(turns) FILTER (WHERE at < upto), 0)
            FROM placed GROUP BY GROUPING SETS ((upto), (upto, entity_type)) HAVING entity_type IS DISTINCT FROM ''
            ON CONFLICT (entity_type, upto) DO UPDATE SET net = m.net + excluded.net, turns = m.turns + excluded.turns
            RETURNING m.entity_type, m.upto, m.turns
        )
        SELECT upto FROM counted WHERE entity_type = '' AND turns > 4000
    LOOP
        PERFORM projection.set_marks(TG_RELID, coalesce((SELECT max(upto) FROM count_mark
                                                         WHERE entity_type = '' AND upto < crowded), '-infinity'), crowded);
    END LOOP;
    RETURN NULL;
END $$;
REVOKE ALL ON FUNCTION projection.set_marks, projection.count_rows FROM PUBLIC;

CREATE TRIGGER inserted_rows_are_counted AFTER INSERT ON read_model.entity_version
    REFERENCING NEW TABLE AS became FOR EACH STATEMENT EXECUTE FUNCTION projection.count_rows();
CREATE TRIGGER updated_rows_are_counted AFTER UPDATE ON read_model.entity_version
    REFERENCING OLD TABLE AS was NEW TABLE AS became FOR EACH STATEMENT EXECUTE FUNCTION projection.count_rows();
CREATE TRIGGER deleted_rows_are_counted AFTER DELETE ON read_model.entity_version
    REFERENCING OLD TABLE AS was FOR EACH STATEMENT EXECUTE FUNCTION projection.count_rows();
CREATE TRIGGER truncated_rows_are_counted AFTER TRUNCATE ON read_model.entity_version
    FOR EACH STATEMENT EXECUTE FUNCTION projection.count_rows();
ALTER TABLE read_model.entity_version ENABLE ALWAYS TRIGGER inserted_rows_are_counted;
ALTER TABLE read_model.entity_version ENABLE ALWAYS TRIGGER updated_rows_are_counted;
ALTER TABLE read_model.entity_version ENABLE ALWAYS TRIGGER deleted_rows_are_counted;
ALTER TABLE read_model.entity_version ENABLE ALWAYS TRIGGER truncated_rows_are_counted;

-- With the triggers there, nobody else writes until this transaction ends: what was written before them is seen here.
SELECT projection.set_marks('read_model.entity_version', '-infinity', 'infinity');
