-- One entity at an instant as it was known at a position: the last version begun by then, ended or not, and the details
-- of the instant; for ReadModel.entity.
WITH moment AS MATERIALIZED (
    SELECT position, greatest(now(), recorded_at, clock_at) AS now,
           coalesce(%(as_of)s::timestamptz, greatest(now(), recorded_at, clock_at)) AS as_of
    FROM checkpoint WHERE name = 'read_model'
)
SELECT c.position, c.as_of,
       (SELECT ARRAY[count(DISTINCT stream), min(position)] FROM parked_event
        WHERE stream = 'entity:' || %(uid)s::uuid::text AND position <= %(known)s::bigint) AS parked,
       c.now, NULL::uuid, NULL::bigint,
       CASE WHEN e.valid_to <= c.as_of THEN e.valid_to
            WHEN NOT EXISTS (SELECT FROM entity_version_known(%(known)s::bigint) f WHERE f.entity_uid = %(uid)s::uuid)
            THEN (SELECT min(f.valid_from) FROM entity_version_superseded f -- retired from its very start on
                  WHERE f.entity_uid = %(uid)s::uuid AND f.recorded_from_position <= %(known)s::bigint)
       END AS retired_at,
       CASE WHEN e.id IS NULL
            THEN (SELECT min(f.valid_from) FROM entity_version_known(%(known)s::bigint) f
                  WHERE f.entity_uid = %(uid)s::uuid) END AS starts_at,
       e.id, e.entity_uid, e.display_name, e.entity_type, e.valid_from, e.valid_to, e.hashdiff,
       d.id, d.detail_type, d.detail_value, d.valid_from, d.valid_to, d.hashdiff
FROM moment c
LEFT JOIN LATERAL (
    SELECT * FROM entity_version_known(%(known)s::bigint) v
    WHERE v.entity_uid = %(uid)s::uuid AND v.valid_from <= c.as_of
    ORDER BY v.valid_from DESC LIMIT 1
) e ON true
LEFT JOIN LATERAL (
    SELECT * FROM entity_detail_version_known(%(known)s::bigint) v
    WHERE v.entity_uid = e.entity_uid AND v.valid_from <= c.as_of AND (v.valid_to IS NULL OR v.valid_to > c.as_of)
    OFFSET 0 -- one look-up
) d ON true
ORDER BY d.detail_type COLLATE "C"
