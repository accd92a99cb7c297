-- One entity as it is now, a row a detail, with what its ETag and its refusals need; for ReadModel.entity.
-- What fell due since the flags were brought up to date is not flagged yet.
WITH moment AS MATERIALIZED (
    SELECT position, clock_at, greatest(now(), recorded_at, clock_at) AS now FROM checkpoint WHERE name = 'read_model'
), due_details AS MATERIALIZED (
    SELECT v.* FROM entity_detail_version v, moment
    WHERE NOT is_current AND valid_from > clock_at AND valid_from <= now AND (valid_to IS NULL OR valid_to > now)
      AND created_at < valid_from -- as whatever begins after the clock, and an index has just these
)
SELECT c.position, c.now AS as_of,
       (SELECT ARRAY[count(DISTINCT stream), min(position)] FROM parked_event
        WHERE stream = 'entity:' || %(uid)s::uuid::text) AS parked,
       c.now,
       h.last_event_id, h.change_points - (SELECT count(*) FROM unnest(h.schedule) AS t (instant) WHERE instant > c.now),
       CASE WHEN e.valid_to <= c.now THEN e.valid_to
            WHEN h.entity_uid IS NOT NULL
                 AND NOT EXISTS (SELECT FROM entity_version f WHERE f.entity_uid = h.entity_uid)
            THEN coalesce(h.registered_at, c.now) -- retired from its very start on
       END AS retired_at,
       CASE WHEN e.id IS NULL
            THEN (SELECT min(f.valid_from) FROM entity_version f WHERE f.entity_uid = h.entity_uid) END AS starts_at,
       e.id, e.entity_uid, e.display_name, e.entity_type, e.valid_from, e.valid_to, e.hashdiff,
       d.id, d.detail_type, d.detail_value, d.valid_from, d.valid_to, d.hashdiff
FROM moment c
LEFT JOIN entity_head h ON h.entity_uid = %(uid)s::uuid
LEFT JOIN LATERAL (
    SELECT * FROM entity_version v
    WHERE v.entity_uid = h.entity_uid AND v.valid_from <= c.now
    ORDER BY v.valid_from DESC LIMIT 1
) e ON true
LEFT JOIN LATERAL (
    SELECT * FROM entity_detail_version v
    WHERE v.entity_uid = e.entity_uid AND v.is_current AND (v.valid_to IS NULL OR v.valid_to > c.now)
    UNION ALL
    SELECT * FROM due_details v WHERE v.entity_uid = e.entity_uid
) d ON true
ORDER BY d.detail_type COLLATE "C"
