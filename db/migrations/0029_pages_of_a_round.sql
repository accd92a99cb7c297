-- How many entities exist at each of several instants, for pages that are asked for together: the marks are passed once for
-- all of them, and what is left is counted from the nearer of two marks. Functions are made in a new set in the order in which
-- they were made here, so those that call the new ones come after them. The ones before go by another name until the next
-- migration: a statement under way goes on with them.
ALTER FUNCTION read_model.count_at RENAME TO count_at_before;
ALTER FUNCTION read_model.entities_at RENAME TO entities_at_before;
ALTER FUNCTION read_model.entities_known_at RENAME TO entities_known_at_before;

-- How many more begin than end after one instant and up to another; of one type where that is not NULL. Without a type
-- nothing but indexes is looked at.
CREATE FUNCTION read_model.turns_between(since timestamptz, until timestamptz, of_type text) RETURNS TABLE (net bigint)
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT CASE WHEN of_type IS NULL THEN
               (SELECT count(*) FROM read_model.entity_version v WHERE v.valid_from > since AND v.valid_from <= until)
               - (SELECT count(*) FROM read_model.entity_version v WHERE v.valid_to > since AND v.valid_to <= until)
           ELSE
               (SELECT count(*) FROM read_model.entity_version v
                WHERE v.entity_type = of_type AND v.valid_from > since AND v.valid_from <= until)
               - (SELECT count(*) FROM (
                      SELECT v.entity_type FROM read_model.entity_version v
                      WHERE v.valid_to > since AND v.valid_to <= until OFFSET 0) ended -- few, whatever the type
                  WHERE ended.entity_type = of_type)
           END;
END;

-- The mark that is nearest to an instant along valid time, of those that are no end of it; -infinity where there is none.
CREATE FUNCTION read_model.mark_near(instant timestamptz) RETURNS TABLE (upto timestamptz)
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT CASE WHEN isfinite(m.before) AND isfinite(m.after) AND isfinite(instant) AND m.after - instant < instant - m.before
                THEN m.after ELSE coalesce(m.before, '-infinity') END
    FROM (SELECT (SELECT c.upto FROM read_model.count_mark c
                  WHERE c.entity_type = '' AND c.upto <= instant ORDER BY c.upto DESC LIMIT 1) AS before,
                 (SELECT c.upto FROM read_model.count_mark c
                  WHERE c.entity_type = '' AND c.upto > instant ORDER BY c.upto LIMIT 1) AS after OFFSET 0) m;
END;

-- How many entities exist at each instant, of a type where that is not NULL, by their numbers; nothing for an instant that is
-- NULL. Each passes only those marks that the one before it has not passed.
CREATE FUNCTION read_model.counts_at(instants timestamptz[], of_types text[]) RETURNS TABLE (number bigint, entities bigint)
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT a.number,
           (sum(m.net) OVER (PARTITION BY a.of_type ORDER BY a.upto))::bigint
           + t.net * CASE WHEN a.upto <= a.instant THEN 1 ELSE -1 END
    FROM (SELECT i.instant, i.of_type, i.number, n.upto,
                 lag(n.upto, 1, '-infinity') OVER (PARTITION BY i.of_type ORDER BY n.upto) AS since
          FROM unnest(instants, of_types) WITH ORDINALITY AS i (instant, of_type, number)
          CROSS JOIN LATERAL read_model.mark_near(i.instant) n
          WHERE i.instant IS NOT NULL) a
    CROSS JOIN LATERAL (
        SELECT coalesce(sum(c.net), 0) AS net FROM read_model.count_mark c
        WHERE c.entity_type = coalesce(a.of_type, '') AND c.upto > a.since AND c.upto <= a.upto
    ) m
    CROSS JOIN LATERAL read_model.turns_between(least(a.upto, a.instant), greatest(a.upto, a.instant), a.of_type) t;
END;

-- The same at one instant.
CREATE FUNCTION read_model.count_at(instant timestamptz, of_type text) RETURNS TABLE (entities bigint)
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT c.entities FROM read_model.counts_at(ARRAY[instant], ARRAY[of_type]) c;
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

-- What was known at a position, as before: without one it is the latest, and nobody looks for what was superseded.
CREATE OR REPLACE FUNCTION read_model.entity_version_known(known bigint) RETURNS TABLE (
    id bigint, entity_uid uuid, display_name text, entity_type text, hashdiff text, valid_from timestamptz,
    valid_to timestamptz, recorded_from_position bigint, valid_to_known_position bigint, created_at timestamptz,
    updated_at timestamptz, actor text, search_name text
) LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT v.id, v.entity_uid, v.display_name, v.entity_type, v.hashdiff, v.valid_from,
           CASE WHEN known IS NULL OR v.valid_to_known_position <= known THEN v.valid_to END,
           v.recorded_from_position,
           CASE WHEN known IS NULL OR v.valid_to_known_position <= known THEN v.valid_to_known_position END,
           v.created_at,
           CASE WHEN known IS NULL OR v.valid_to_known_position <= known THEN v.updated_at ELSE v.created_at END,
           v.actor, v.search_name
    FROM read_model.entity_version v
    WHERE known IS NULL OR v.recorded_from_position <= known
    UNION ALL
    SELECT v.id, v.entity_uid, v.display_name, v.entity_type, v.hashdiff, v.valid_from,
           CASE WHEN v.valid_to_known_position <= known THEN v.valid_to END,
           v.recorded_from_position,
           CASE WHEN v.valid_to_known_position <= known THEN v.valid_to_known_position END,
           v.created_at,
           CASE WHEN v.valid_to_known_position <= known THEN v.updated_at ELSE v.created_at END,
           v.actor, v.search_name
    FROM read_model.entity_version_superseded v
    WHERE known IS NOT NULL AND v.recorded_from_position <= known AND known < v.recorded_to_position;
END;

CREATE OR REPLACE FUNCTION read_model.entity_detail_version_known(known bigint) RETURNS TABLE (
    id bigint, entity_uid uuid, detail_type text, detail_value text, hashdiff text, valid_from timestamptz,
    valid_to timestamptz, recorded_from_position bigint, valid_to_known_position bigint, created_at timestamptz,
    updated_at timestamptz, actor text
) LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT v.id, v.entity_uid, v.detail_type, v.detail_value, v.hashdiff, v.valid_from,
           CASE WHEN known IS NULL OR v.valid_to_known_position <= known THEN v.valid_to END,
           v.recorded_from_position,
           CASE WHEN known IS NULL OR v.valid_to_known_position <= known THEN v.valid_to_known_position END,
           v.created_at,
           CASE WHEN known IS NULL OR v.valid_to_known_position <= known THEN v.updated_at ELSE v.created_at END,
           v.actor
    FROM read_model.entity_detail_version v
    WHERE known IS NULL OR v.recorded_from_position <= known
    UNION ALL
    SELECT v.id, v.entity_uid, v.detail_type, v.detail_value, v.hashdiff, v.valid_from,
           CASE WHEN v.valid_to_known_position <= known THEN v.valid_to END,
           v.recorded_from_position,
           CASE WHEN v.valid_to_known_position <= known THEN v.valid_to_known_position END,
           v.created_at,
           CASE WHEN v.valid_to_known_position <= known THEN v.updated_at ELSE v.created_at END,
           v.actor
    FROM read_model.entity_detail_version_superseded v
    WHERE known IS NOT NULL AND v.recorded_from_position <= known AND known < v.recorded_to_position;
END;
