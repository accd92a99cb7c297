-- How many entities exist at an instant, counted within the statement that asks: a function that gives a row is put into it
-- and made ready once for all that it answers, one that gives a value is called for each. Without a type nothing but indexes
-- is looked at. Functions are made in a new set in the order in which they were made here, so those that call the new one
-- come after it. The ones before go by another name for a while: a statement under way goes on with them.
ALTER FUNCTION read_model.entities_at RENAME TO entities_at_before;
ALTER FUNCTION read_model.entities_known_at RENAME TO entities_known_at_before;

-- The marks up to the instant, and what the indexes have after the last one; of one type where that is not NULL.
CREATE FUNCTION read_model.count_at(instant timestamptz, of_type text) RETURNS TABLE (entities bigint)
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT (SELECT coalesce(sum(c.net), 0) FROM read_model.count_mark c
            WHERE c.entity_type = coalesce(of_type, '') AND c.upto <= instant)
           + CASE WHEN of_type IS NULL THEN
                 (SELECT count(*) FROM read_model.entity_version v WHERE v.valid_from > m.upto AND v.valid_from <= instant)
                 - (SELECT count(*) FROM read_model.entity_version v WHERE v.valid_to > m.upto AND v.valid_to <= instant)
             ELSE
                 (SELECT count(*) FROM read_model.entity_version v
                  WHERE v.entity_type = of_type AND v.valid_from > m.upto AND v.valid_from <= instant)
                 - (SELECT count(*) FROM (
                        SELECT v.entity_type FROM read_model.entity_version v
                        WHERE v.valid_to > m.upto AND v.valid_to <= instant OFFSET 0) ended -- few, whatever the type
                    WHERE ended.entity_type = of_type)
             END
    FROM (SELECT coalesce(max(c.upto), '-infinity') AS upto FROM read_model.count_mark c
          WHERE c.entity_type = '' AND c.upto <= instant) m;
END;

CREATE FUNCTION read_model.entities_at(instant timestamptz, of_type text) RETURNS bigint LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT c.entities FROM read_model.count_at(instant, of_type) c;
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
