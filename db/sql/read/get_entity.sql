-- Entities as they are now, in the order they were asked for: of each a row with what its ETag and its refusals need, then
-- a row a detail; for ReadModel.entity.
-- What fell due since the flags were brought up to date is not flagged yet: an index has just these details.
WITH moment AS MATERIALIZED (
    SELECT position, clock_at, greatest(now(), recorded_at, clock_at) AS now FROM checkpoint WHERE name = 'read_model'
)
SELECT answer.*
FROM moment c
CROSS JOIN unnest((SELECT %(uid)s::uuid[])) WITH ORDINALITY AS asked (uid, number) -- hidden: no plan hangs on a value
LEFT JOIN entity_head h ON h.entity_uid = asked.uid
LEFT JOIN LATERAL (
    SELECT * FROM entity_version v
    WHERE v.entity_uid = h.entity_uid AND v.valid_from <= c.now
    ORDER BY v.valid_from DESC LIMIT 1
) e ON true
CROSS JOIN LATERAL (
    SELECT c.position, c.now AS as_of,
           CASE WHEN EXISTS (SELECT FROM parked_event)
                THEN (SELECT ARRAY[count(DISTINCT stream), min(position)] FROM parked_event
                      WHERE stream = 'entity:' || asked.uid::text)
                ELSE ARRAY[0, NULL]::bigint[] END AS parked,
           c.now, h.last_event_id,
           h.change_points - CASE WHEN cardinality(h.schedule) > 0 -- few have any
               THEN (SELECT count(*) FROM unnest(h.schedule) AS t (instant) WHERE instant > c.now) ELSE 0 END AS due,
           CASE WHEN e.valid_to <= c.now THEN e.valid_to
                WHEN e.id IS NULL AND h.entity_uid IS NOT NULL
                     AND NOT EXISTS (SELECT FROM entity_version f WHERE f.entity_uid = h.entity_uid)
                THEN coalesce(h.registered_at, c.now) -- retired from its very start on
           END AS retired_at,
           CASE WHEN e.id IS NULL
                THEN (SELECT min(f.valid_from) FROM entity_version f WHERE f.entity_uid = h.entity_uid) END AS starts_at,
           false AS is_known_now,
           NULL::text AS code, e.id, e.entity_uid, e.display_name AS value, e.entity_type,
           e.valid_from, e.valid_to, e.hashdiff
    UNION ALL
    SELECT NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
           v.detail_type, v.id, NULL, v.detail_value, NULL, v.valid_from, v.valid_to, v.hashdiff
    FROM entity_detail_version v
    WHERE v.entity_uid = e.entity_uid AND v.is_current AND (v.valid_to IS NULL OR v.valid_to > c.now)
    UNION ALL
    SELECT NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
           v.detail_type, v.id, NULL, v.detail_value, NULL, v.valid_from, v.valid_to, v.hashdiff
    FROM entity_detail_version v
    WHERE v.entity_uid = e.entity_uid AND NOT v.is_current AND v.created_at < v.valid_from
      AND v.valid_from > c.clock_at AND v.valid_from <= c.now AND (v.valid_to IS NULL OR v.valid_to > c.now)
) answer
ORDER BY asked.number, answer.code COLLATE "C" NULLS FIRST
