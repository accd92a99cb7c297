-- Entities, each at its instant as it was known at its position, in the order they were asked for: of each a row with the
-- last version begun by then, ended or not, then a row a detail of the instant; for ReadModel.entity.
WITH moment AS MATERIALIZED (
    SELECT position, greatest(now(), recorded_at, clock_at) AS now FROM checkpoint WHERE name = 'read_model'
)
SELECT answer.*
FROM moment c
CROSS JOIN unnest(
    (SELECT %(uid)s::uuid[]), (SELECT %(as_of)s::timestamptz[]), (SELECT %(known)s::bigint[]) -- no plan hangs on a value
) WITH ORDINALITY AS asked (uid, as_of_or_now, known, number)
CROSS JOIN LATERAL (SELECT coalesce(asked.as_of_or_now, c.now) AS as_of) at
LEFT JOIN LATERAL (
    SELECT * FROM entity_version_known(asked.known) v
    WHERE v.entity_uid = asked.uid AND v.valid_from <= at.as_of
    ORDER BY v.valid_from DESC LIMIT 1
) e ON true
CROSS JOIN LATERAL (
    SELECT c.position, at.as_of,
           CASE WHEN EXISTS (SELECT FROM parked_event)
                THEN (SELECT ARRAY[count(DISTINCT stream), min(position)] FROM parked_event
                      WHERE stream = 'entity:' || asked.uid::text AND position <= asked.known)
                ELSE ARRAY[0, NULL]::bigint[] END AS parked,
           c.now, NULL::uuid, NULL::bigint,
           CASE WHEN e.valid_to <= at.as_of THEN e.valid_to
                WHEN e.id IS NULL
                     AND NOT EXISTS (SELECT FROM entity_version_known(asked.known) f WHERE f.entity_uid = asked.uid)
                THEN (SELECT min(f.valid_from) FROM entity_version_superseded f -- retired from its very start on
                      WHERE f.entity_uid = asked.uid AND f.recorded_from_position <= asked.known)
           END AS retired_at,
           CASE WHEN e.id IS NULL
                THEN (SELECT min(f.valid_from) FROM entity_version_known(asked.known) f
                      WHERE f.entity_uid = asked.uid) END AS starts_at,
           e.id IS NULL AND EXISTS (SELECT FROM entity_head h WHERE h.entity_uid = asked.uid) AS is_known_now,
           NULL::text AS code, e.id, e.entity_uid, e.display_name AS value, e.entity_type,
           e.valid_from, e.valid_to, e.hashdiff
    UNION ALL
    SELECT NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
           v.detail_type, v.id, NULL, v.detail_value, NULL, v.valid_from, v.valid_to, v.hashdiff
    FROM entity_detail_version_known(asked.known) v
    WHERE v.entity_uid = e.entity_uid AND v.valid_from <= at.as_of AND (v.valid_to IS NULL OR v.valid_to > at.as_of)
) answer
ORDER BY asked.number, answer.code COLLATE "C" NULLS FIRST
