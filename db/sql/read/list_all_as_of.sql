-- Pages of all that existed, each at its instant, by uid, in the order they were asked for: one point lookup an entity,
-- whatever its history. Of each there is a row about all of it, then a row an entity, followed by a row a detail; for
-- ReadModel.entities without any filter.
SELECT answer.position, answer.as_of, answer.parked, answer.now, answer.count, answer.refused,
       answer.code, answer.id, answer.entity_uid, answer.value, answer.entity_type,
       answer.valid_from, answer.valid_to, answer.hashdiff
FROM checkpoint c
CROSS JOIN unnest(
    (SELECT %(as_of)s::timestamptz[]), -- no plan hangs on a value
    (SELECT %(limit)s::bigint[]), (SELECT %(offset)s::bigint[]), (SELECT %(counted)s::boolean[])
) WITH ORDINALITY AS asked (as_of, most, passed, counted, number)
CROSS JOIN LATERAL (
    WITH page AS MATERIALIZED (
        SELECT e.id, e.entity_uid, e.display_name, e.entity_type, e.valid_from, e.valid_to, e.hashdiff,
               row_number() OVER (ORDER BY h.entity_uid) AS place
        FROM entity_head h
        CROSS JOIN LATERAL (
            SELECT * FROM entity_version v
            WHERE v.entity_uid = h.entity_uid AND v.valid_from <= asked.as_of
            ORDER BY v.valid_from DESC LIMIT 1
        ) e
        WHERE h.registered_at <= asked.as_of AND (e.valid_to IS NULL OR e.valid_to > asked.as_of)
        ORDER BY h.entity_uid
        LIMIT asked.most OFFSET asked.passed
    )
    SELECT c.position, asked.as_of,
           (SELECT ARRAY[count(DISTINCT stream), min(position)] FROM parked_event) AS parked,
           greatest(now(), c.recorded_at, c.clock_at) AS now,
           CASE WHEN asked.counted THEN (SELECT entities_at(asked.as_of, NULL)) END AS count,
           NULL::text AS refused,
           0::bigint AS place, NULL AS code, NULL::bigint AS id, NULL::uuid AS entity_uid, NULL AS value,
           NULL AS entity_type, NULL::timestamptz AS valid_from, NULL::timestamptz AS valid_to, NULL AS hashdiff
    UNION ALL
    SELECT NULL, NULL, NULL, NULL, NULL, NULL,
           place, NULL, id, entity_uid, display_name, entity_type, valid_from, valid_to, hashdiff
    FROM page
    UNION ALL
    SELECT NULL, NULL, NULL, NULL, NULL, NULL,
           page.place, d.detail_type, d.id, NULL, d.detail_value, NULL, d.valid_from, d.valid_to, d.hashdiff
    FROM page
    CROSS JOIN LATERAL (
        SELECT * FROM entity_detail_version v
        WHERE v.entity_uid = page.entity_uid
          AND v.valid_from <= asked.as_of AND (v.valid_to IS NULL OR v.valid_to > asked.as_of)
        OFFSET 0 -- one look-up an entity
    ) d
) answer
WHERE c.name = 'read_model'
ORDER BY asked.number, answer.place, answer.code COLLATE "C" NULLS FIRST
