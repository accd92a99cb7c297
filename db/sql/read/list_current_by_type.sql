-- A page of what exists now of one type, newest first, straight off its index; for ReadModel.entities with that filter.
WITH page AS (
    SELECT id, entity_uid, display_name, entity_type, valid_from, valid_to, hashdiff
    FROM entity_version WHERE is_current AND entity_type = %(type)s::text
    ORDER BY valid_from DESC, entity_uid
    LIMIT %(limit)s::bigint OFFSET %(offset)s::bigint
)
SELECT c.position, greatest(now(), c.recorded_at) AS as_of,
       CASE WHEN %(counted)s::boolean
            THEN (SELECT count(*) FROM entity_version WHERE is_current AND entity_type = %(type)s::text) END AS count,
       CASE WHEN NOT EXISTS (SELECT FROM entity_type t WHERE t.code = %(type)s::text AND t.is_active)
            THEN 'type' END AS refused,
       page.id, page.entity_uid, page.display_name, page.entity_type, page.valid_from, page.valid_to, page.hashdiff,
       d.id, d.detail_type, d.detail_value, d.valid_from, d.valid_to, d.hashdiff
FROM checkpoint c
LEFT JOIN page ON true
LEFT JOIN entity_detail_version d ON d.entity_uid = page.entity_uid AND d.is_current
WHERE c.name = 'read_model'
ORDER BY page.valid_from DESC, page.entity_uid, d.detail_type COLLATE "C"
