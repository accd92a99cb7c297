-- A page of the versions of one entity and its details, oldest first, those begun by as_of where one is given;
-- for ReadModel.history. An entity that was never registered has no uid in the answer.
WITH versions AS NOT MATERIALIZED (
    SELECT 'entity' AS kind, '' AS detail_type, valid_from, valid_to, created_at, updated_at, hashdiff,
           recorded_from_position, actor, display_name AS value, entity_type
    FROM entity_version
    WHERE entity_uid = %(uid)s::uuid AND valid_from <= coalesce(%(as_of)s::timestamptz, 'infinity')
    UNION ALL
    SELECT 'detail', detail_type, valid_from, valid_to, created_at, updated_at, hashdiff,
           recorded_from_position, actor, detail_value, NULL
    FROM entity_detail_version
    WHERE entity_uid = %(uid)s::uuid AND valid_from <= coalesce(%(as_of)s::timestamptz, 'infinity')
), page AS (
    SELECT * FROM versions
    ORDER BY valid_from, detail_type COLLATE "C"
    LIMIT %(limit)s::bigint OFFSET %(offset)s::bigint
)
SELECT c.position, coalesce(%(as_of)s::timestamptz, greatest(now(), c.recorded_at)) AS as_of,
       CASE WHEN %(counted)s::boolean THEN (SELECT count(*) FROM versions) END AS count,
       h.entity_uid,
       page.kind, page.detail_type, page.valid_from, page.valid_to, page.created_at, page.updated_at, page.hashdiff,
       page.recorded_from_position, page.actor, page.value, page.entity_type
FROM checkpoint c
LEFT JOIN entity_head h ON h.entity_uid = %(uid)s::uuid
LEFT JOIN page ON true
WHERE c.name = 'read_model'
ORDER BY page.valid_from, page.detail_type COLLATE "C"
