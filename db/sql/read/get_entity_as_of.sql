-- Entities, each at its instant, in the order they were asked for: of each a row with the last version begun by then, ended
-- or not, then a row a detail of the instant; for ReadModel.entity.
SELECT answer.*
FROM checkpoint c
CROSS JOIN unnest((SELECT %(uid)s::uuid[]), (SELECT %(as_of)s::timestamptz[])) -- hidden: no plan hangs on a value
    WITH ORDINALITY AS asked (uid, as_of, number)
LEFT JOIN entity_head h ON h.entity_uid = asked.uid
LEFT JOIN LATERAL (
    SELECT * FROM entity_version v
    WHERE v.entity_uid = h.entity_uid AND v.valid_from <= asked.as_of
    ORDER BY v.valid_from DESC LIMIT 1
) e ON true
CROSS JOIN LATERAL (
    SELECT c.position, asked.as_of,
           CASE WHEN EXISTS (SELECT FROM parked_event)
                THEN (SELECT ARRAY[count(DISTINCT stream), min(position)] FROM parked_event
                      WHERE stream = 'entity:' || asked.uid::text)
                ELSE ARRAY[0, NULL]::bigint[] END AS parked,
           greatest(now(), c.recorded_at, c.clock_at) AS now, NULL::uuid, NULL::bigint,
           CASE WHEN e.valid_to <= asked.as_of THEN e.valid_to
                WHEN e.id IS NULL AND h.entity_uid IS NOT NULL
                     AND NOT EXISTS (SELECT FROM entity_version f WHERE f.entity_uid = h.entity_uid)
                THEN coalesce(h.registered_at, asked.as_of) -- retired from its very start on
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
    WHERE v.entity_uid = e.entity_uid AND v.valid_from <= asked.as_of AND (v.valid_to IS NULL OR v.valid_to > asked.as_of)
) answer
WHERE c.name = 'read_model'
ORDER BY asked.number, answer.code COLLATE "C" NULLS FIRST
