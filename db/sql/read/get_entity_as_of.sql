-- One entity at an instant: the last version begun by then, ended or not, and the details of the instant;
-- for ReadModel.entity.
SELECT c.position, %(as_of)s::timestamptz AS as_of,
       (SELECT ARRAY[count(DISTINCT stream), min(position)] FROM parked_event
        WHERE stream = 'entity:' || %(uid)s::uuid::text) AS parked,
       greatest(now(), c.recorded_at, c.clock_at) AS now,
       NULL::uuid, NULL::bigint,
       CASE WHEN e.valid_to <= %(as_of)s::timestamptz THEN e.valid_to
            WHEN h.entity_uid IS NOT NULL
                 AND NOT EXISTS (SELECT FROM entity_version f WHERE f.entity_uid = h.entity_uid)
            THEN coalesce(h.registered_at, %(as_of)s::timestamptz) -- retired from its very start on
       END AS retired_at,
       CASE WHEN e.id IS NULL
            THEN (SELECT min(f.valid_from) FROM entity_version f WHERE f.entity_uid = h.entity_uid) END AS starts_at,
       e.id, e.entity_uid, e.display_name, e.entity_type, e.valid_from, e.valid_to, e.hashdiff,
       d.id, d.detail_type, d.detail_value, d.valid_from, d.valid_to, d.hashdiff
FROM checkpoint c
LEFT JOIN entity_head h ON h.entity_uid = %(uid)s::uuid
LEFT JOIN LATERAL (
    SELECT * FROM entity_version v
    WHERE v.entity_uid = h.entity_uid AND v.valid_from <= %(as_of)s::timestamptz
    ORDER BY v.valid_from DESC LIMIT 1
) e ON true
LEFT JOIN entity_detail_version d
    ON d.entity_uid = e.entity_uid
    AND d.valid_from <= %(as_of)s::timestamptz AND (d.valid_to IS NULL OR d.valid_to > %(as_of)s::timestamptz)
WHERE c.name = 'read_model'
ORDER BY d.detail_type COLLATE "C"
