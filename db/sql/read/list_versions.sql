-- A page of the versions of all entities and details as known at a position, by id: the first of either table, together;
-- for Extracts.versions. It is planned anew for each question.
WITH moment AS MATERIALIZED (
    SELECT position, coalesce(%(now)s::timestamptz, greatest(now(), recorded_at, clock_at)) AS now
    FROM checkpoint WHERE name = 'read_model'
), page AS (
    SELECT * FROM (
        (SELECT 'entity' AS type, id, entity_uid, display_name, entity_type, NULL::text AS detail_type,
                NULL::text AS detail_value, valid_from, valid_to, hashdiff, created_at, updated_at,
                recorded_from_position, valid_to_known_position, actor
         FROM entity_version_known(%(known)s::bigint)
         WHERE id > %(after)s::bigint
         ORDER BY id
         LIMIT %(limit)s::bigint)
        UNION ALL
        (SELECT 'detail', id, entity_uid, NULL, NULL, detail_type, detail_value, valid_from, valid_to, hashdiff,
                created_at, updated_at, recorded_from_position, valid_to_known_position, actor
         FROM entity_detail_version_known(%(known)s::bigint)
         WHERE id > %(after)s::bigint
         ORDER BY id
         LIMIT %(limit)s::bigint)
    ) AS version
    ORDER BY id
    LIMIT %(limit)s::bigint
)
SELECT c.position, c.now, page.type, page.id, page.entity_uid, page.display_name, page.entity_type, page.detail_type,
       page.detail_value, page.valid_from, page.valid_to,
       page.valid_from <= c.now AND (page.valid_to IS NULL OR page.valid_to > c.now) AS is_current,
       page.hashdiff, page.created_at, page.updated_at, page.recorded_from_position, page.valid_to_known_position,
       page.actor
FROM moment c
LEFT JOIN page ON true
ORDER BY page.id
