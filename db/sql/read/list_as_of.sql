-- A page of what existed at an instant, by uid, of one type where one is asked for: one point lookup an entity, whatever its
-- history; for ReadModel.entities, where none is skipped. It is planned anew for each question.
WITH page AS (
    SELECT e.id, e.entity_uid, e.display_name, e.entity_type, e.valid_from, e.valid_to, e.hashdiff
    FROM entity_head h
    CROSS JOIN LATERAL (
        SELECT * FROM entity_version v
        WHERE v.entity_uid = h.entity_uid AND v.valid_from <= %(as_of)s::timestamptz
        ORDER BY v.valid_from DESC LIMIT 1
    ) e
    WHERE h.registered_at <= %(as_of)s::timestamptz
      AND (e.valid_to IS NULL OR e.valid_to > %(as_of)s::timestamptz)
      AND (%(type)s::text IS NULL OR e.entity_type = %(type)s::text)
    ORDER BY h.entity_uid
    LIMIT %(limit)s::bigint
)
SELECT c.position, %(as_of)s::timestamptz AS as_of,
       (SELECT ARRAY[count(DISTINCT stream), min(position)] FROM parked_event) AS parked,
       greatest(now(), c.recorded_at, c.clock_at) AS now,
       CASE WHEN %(counted)s::boolean THEN (SELECT entities_at(%(as_of)s::timestamptz, %(type)s::text)) END AS count,
       CASE WHEN NOT EXISTS (SELECT FROM entity_type t WHERE t.code = %(type)s::text AND t.is_active)
                 AND %(type)s::text IS NOT NULL THEN 'type' END AS refused,
       page.id, page.entity_uid, page.display_name, page.entity_type, page.valid_from, page.valid_to, page.hashdiff,
       d.id, d.detail_type, d.detail_value, d.valid_from, d.valid_to, d.hashdiff
FROM checkpoint c
LEFT JOIN page ON true
LEFT JOIN entity_detail_version d
    ON d.entity_uid = page.entity_uid
    AND d.valid_from <= %(as_of)s::timestamptz AND (d.valid_to IS NULL OR d.valid_to > %(as_of)s::timestamptz)
WHERE c.name = 'read_model'
ORDER BY page.entity_uid, d.detail_type COLLATE "C"
