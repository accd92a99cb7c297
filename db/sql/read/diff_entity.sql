-- The rows of one entity that a difference between two points can hang on, and the events that made and ended them, for
-- every mode of ReadModel.diff. A row that ends before the window is there where that was told after known_from.
WITH moment AS MATERIALIZED (
    SELECT position, instant AS as_of,
           coalesce(%(from)s::timestamptz, instant) AS start,
           coalesce(%(to)s::timestamptz, CASE WHEN %(from)s::timestamptz IS NULL THEN instant END, 'infinity') AS until,
           coalesce(%(known)s::bigint, position) AS known_to,
           coalesce(%(known_from)s::bigint, %(known)s::bigint, position) AS known_from
    FROM (SELECT position, coalesce(%(as_of)s::timestamptz, %(now)s::timestamptz, greatest(now(), recorded_at, clock_at))
          FROM checkpoint WHERE name = 'read_model') c (position, instant)
), belief AS MATERIALIZED (
    SELECT r.* FROM moment m
    CROSS JOIN LATERAL rows_of(%(uid)s::uuid) r
    WHERE r.recorded_from_position <= m.known_to AND r.valid_from <= m.until
      AND (r.valid_to IS NULL OR r.valid_to > m.start OR r.valid_to_known_position > m.known_from)
)
SELECT m.position, m.as_of,
       (SELECT ARRAY[count(DISTINCT stream), min(position)] FROM parked_event
        WHERE stream = 'entity:' || %(uid)s::uuid::text
          AND (%(known)s::bigint IS NULL OR position <= %(known)s::bigint)) AS parked,
       NULL::bigint AS count, %(uid)s::uuid AS entity_uid, found.*
FROM moment m
LEFT JOIN (
    SELECT detail_type, value, entity_type, valid_from, valid_to,
           recorded_from_position, valid_to_known_position, recorded_to_position,
           NULL::uuid AS event_id, NULL::text AS actor, NULL::text AS reason, NULL::timestamptz AS recorded_at
    FROM belief
    UNION ALL
    SELECT NULL, NULL, NULL, NULL, NULL, a.position, NULL, NULL, a.event_id, a.actor, a.reason, a.recorded_at
    FROM (SELECT recorded_from_position FROM belief
          UNION SELECT valid_to_known_position FROM belief
          UNION SELECT recorded_to_position FROM belief) e (position)
    JOIN audit_entry a ON a.audit_id = e.position * 65536
) found ON true
