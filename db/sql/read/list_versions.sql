-- A page of the versions of all entities and details as known at a position, by id: the first of each table, together;
-- for Extracts.versions. It is planned anew for each question.
WITH moment AS MATERIALIZED (
    SELECT position, coalesce(%(now)s::timestamptz, greatest(now(), recorded_at, clock_at)) AS now
    FROM checkpoint WHERE name = 'read_model'
), version AS (
    SELECT known.*, coalesce(valid_to_known_position <= %(known)s::bigint, false) AS end_is_told -- else it is open yet
    FROM (
        (SELECT 'entity' AS type, id, entity_uid, display_name, entity_type, NULL::text AS detail_type,
                NULL::text AS detail_value, valid_from, valid_to, hashdiff, created_at, updated_at,
                recorded_from_position, valid_to_known_position, actor
         FROM entity_version
         WHERE id > %(after)s::bigint AND recorded_from_position <= %(known)s::bigint
         ORDER BY id
         LIMIT %(limit)s::bigint)
        UNION ALL
        (SELECT 'entity', id, entity_uid, display_name, entity_type, NULL, NULL, valid_from, valid_to, hashdiff,
                created_at, updated_at, recorded_from_position, valid_to_known_position, actor
         FROM entity_version_superseded
         WHERE id > %(after)s::bigint AND recorded_from_position <= %(known)s::bigint
           AND recorded_to_position > %(known)s::bigint
         ORDER BY id
         LIMIT %(limit)s::bigint)
        UNION ALL
        (SELECT 'detail', id, entity_uid, NULL, NULL, detail_type, detail_value, valid_from, valid_to, hashdiff,
                created_at, updated_at, recorded_from_position, valid_to_known_position, actor
         FROM entity_detail_version
         WHERE id > %(after)s::bigint AND recorded_from_position <= %(known)s::bigint
         ORDER BY id
         LIMIT %(limit)s::bigint)
        UNION ALL
        (SELECT 'detail', id, entity_uid, NULL, NULL, detail_type, detail_value, valid_from, valid_to, hashdiff,
                created_at, updated_at, recorded_from_position, valid_to_known_position, actor
         FROM entity_detail_version_superseded
         WHERE id > %(after)s::bigint AND recorded_from_position <= %(known)s::bigint
           AND recorded_to_position > %(known)s::bigint
         ORDER BY id
         LIMIT %(limit)s::bigint)
    ) AS known
    ORDER BY id
    LIMIT %(limit)s::bigint
)
SELECT c.position, c.now,
       (SELECT ARRAY[count(DISTINCT stream), min(position)] FROM parked_event WHERE position <= %(known)s::bigint) AS parked,
       v.type, v.id, v.entity_uid, v.display_name, v.entity_type, v.detail_type, v.detail_value,
       v.valid_from, CASE WHEN v.end_is_told THEN v.valid_to END AS valid_to,
       v.valid_from <= c.now AND (NOT v.end_is_told OR v.valid_to > c.now) AS is_current, v.hashdiff, v.created_at,
       CASE WHEN v.end_is_told THEN v.updated_at ELSE v.created_at END AS updated_at, v.recorded_from_position,
       CASE WHEN v.end_is_told THEN v.valid_to_known_position END AS valid_to_known_position, v.actor
FROM moment c
LEFT JOIN version v ON true
ORDER BY v.id
