-- Pages of what existed, each at its instant and as it was known at its position, by uid, all of it or all of them of one
-- type, by number or by key, in the order they were asked for: one point lookup an entity, whatever its history. Of each there
-- is a row about all of it, then a row an entity, followed by a row a detail; for ReadModel.entities without any other filter,
-- where few are skipped. What was known is that of now where no position is given. Backwards it is the page before a key.
--
-- Who asks for a rare type passes many entities: nobody waits for that who asks for another one.
WITH moment AS MATERIALIZED (
    SELECT position, greatest(now(), recorded_at, clock_at) AS now, EXISTS (SELECT FROM parked_event) AS has_parked
    FROM checkpoint WHERE name = 'read_model'
), asked AS MATERIALIZED (
    SELECT given.backward, given.most, given.passed, given.counted, given.number, given.key, given.known, wanted.type,
           CASE WHEN given.known < c.position THEN given.known END AS past, -- else it is the latest that was known
           coalesce(given.as_of, given.now, c.now) AS instant, coalesce(given.now, c.now) AS now,
           wanted.type IS NOT NULL
               AND NOT EXISTS (SELECT FROM entity_type t WHERE t.code = wanted.type AND t.is_active) AS is_refused,
           coalesce(given.key, '00000000-0000-0000-0000-000000000000') AS least
    FROM moment c
    CROSS JOIN unnest(
        (SELECT %(known)s::bigint[]), -- no plan hangs on a value
        (SELECT %(as_of)s::timestamptz[]), (SELECT %(now)s::timestamptz[]),
        (SELECT %(after_uid)s::uuid[]), (SELECT %(backward)s::boolean[]),
        (SELECT %(limit)s::bigint[]), (SELECT %(offset)s::bigint[]), (SELECT %(counted)s::boolean[])
    ) WITH ORDINALITY AS given (known, as_of, now, key, backward, most, passed, counted, number)
    CROSS JOIN (SELECT (SELECT %(type)s::text) AS type) wanted
), counts AS MATERIALIZED (
    SELECT counted.*
    FROM (SELECT array_agg(CASE WHEN counted AND past IS NULL THEN instant END ORDER BY number) AS instants,
                 array_agg(type ORDER BY number) AS types
          FROM asked) a
    CROSS JOIN LATERAL counts_at(a.instants, a.types) counted
)
SELECT answer.position, answer.as_of, answer.parked, answer.now, answer.count, answer.refused,
       answer.code, answer.id, answer.entity_uid, answer.value, answer.entity_type,
       answer.valid_from, answer.valid_to, answer.hashdiff
FROM moment c
CROSS JOIN asked
CROSS JOIN LATERAL (
    WITH page AS MATERIALIZED (
        SELECT *, row_number() OVER (ORDER BY entity_uid) AS place FROM (
            (SELECT e.id, e.entity_uid, e.display_name, e.entity_type, e.valid_from, e.valid_to, e.hashdiff
             FROM entity_head h
             CROSS JOIN LATERAL (
                 SELECT * FROM entity_version v
                 WHERE v.entity_uid = h.entity_uid AND v.valid_from <= asked.instant
                 ORDER BY v.valid_from DESC LIMIT 1
             ) e
             WHERE asked.past IS NULL AND NOT asked.backward
               AND h.entity_uid >= asked.least AND h.entity_uid IS DISTINCT FROM asked.key
               AND h.registered_at <= asked.instant AND (e.valid_to IS NULL OR e.valid_to > asked.instant)
               AND (asked.type IS NULL OR e.entity_type = asked.type)
             ORDER BY h.entity_uid
             LIMIT asked.most OFFSET asked.passed)
            UNION ALL
            (SELECT e.id, e.entity_uid, e.display_name, e.entity_type, e.valid_from, e.valid_to, e.hashdiff
             FROM entity_head h
             CROSS JOIN LATERAL (
                 SELECT * FROM entity_version_known(asked.past) v
                 WHERE v.entity_uid = h.entity_uid AND v.valid_from <= asked.instant
                 ORDER BY v.valid_from DESC LIMIT 1
             ) e
             WHERE asked.past IS NOT NULL AND NOT asked.backward
               AND h.entity_uid >= asked.least AND h.entity_uid IS DISTINCT FROM asked.key
               AND (e.valid_to IS NULL OR e.valid_to > asked.instant)
               AND (asked.type IS NULL OR e.entity_type = asked.type)
             ORDER BY h.entity_uid
             LIMIT asked.most OFFSET asked.passed)
            UNION ALL
            (SELECT e.id, e.entity_uid, e.display_name, e.entity_type, e.valid_from, e.valid_to, e.hashdiff
             FROM entity_head h
             CROSS JOIN LATERAL (
                 SELECT * FROM entity_version_known(asked.past) v
                 WHERE v.entity_uid = h.entity_uid AND v.valid_from <= asked.instant
                 ORDER BY v.valid_from DESC LIMIT 1
             ) e
             WHERE asked.backward
               AND h.entity_uid < asked.key
               AND (e.valid_to IS NULL OR e.valid_to > asked.instant)
               AND (asked.type IS NULL OR e.entity_type = asked.type)
             ORDER BY h.entity_uid DESC
             LIMIT asked.most)
        ) found
        WHERE NOT asked.is_refused
    )
    SELECT c.position, asked.instant AS as_of,
           CASE WHEN NOT c.has_parked THEN ARRAY[0, NULL]::bigint[]
                ELSE (SELECT ARRAY[count(DISTINCT stream), min(position)] FROM parked_event
                      WHERE asked.known IS NULL OR position <= asked.known) END AS parked,
           asked.now,
           CASE WHEN NOT asked.counted THEN NULL
                WHEN asked.past IS NULL THEN (SELECT entities FROM counts WHERE counts.number = asked.number)
                ELSE (SELECT entities_known_at(asked.instant, asked.type, asked.past, c.position)) END AS count,
           CASE WHEN asked.is_refused THEN 'type' END AS refused,
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
        SELECT * FROM entity_detail_version_known(asked.past) v
        WHERE v.entity_uid = page.entity_uid
          AND v.valid_from <= asked.instant AND (v.valid_to IS NULL OR v.valid_to > asked.instant)
        OFFSET 0 -- one look-up an entity
    ) d
) answer
ORDER BY asked.number << 16 | answer.place, answer.code COLLATE "C" NULLS FIRST
