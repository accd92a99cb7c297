-- Pages of what existed, each at its instant and as it was known at its position, newest first, all of it or of one type, by
-- number or by key, in the order they were asked for. Of each there is a row about all of it, then a row an entity, followed
-- by a row a detail; for ReadModel.entities without any other filter, where few are skipped. What was known is that of now
-- where no position is given. Backwards it is the page before a key. What begins at the same instant is told apart by uid.
--
-- What was believed until a later event is told by that event where few have been superseded since; else it is looked for in
-- the order of the list.
WITH moment AS MATERIALIZED (
    SELECT position, greatest(now(), recorded_at, clock_at) AS now, EXISTS (SELECT FROM parked_event) AS has_parked
    FROM checkpoint WHERE name = 'read_model'
), asked AS MATERIALIZED (
    SELECT given.type, given.backward, given.most, given.passed, given.counted, given.number, given.key,
           coalesce(given.known, c.position) AS known, coalesce(given.as_of, given.now, c.now) AS instant,
           coalesce(given.now, c.now) AS now, coalesce(given.since, 'infinity') AS since,
           given.type IS NOT NULL
               AND NOT EXISTS (SELECT FROM entity_type t WHERE t.code = given.type AND t.is_active) AS is_refused,
           CASE WHEN given.known < c.position THEN given.known END AS past, -- else it is the latest that was known
           CASE WHEN given.known < c.position THEN (
               SELECT count(*) FROM (
                   SELECT FROM entity_version_superseded s WHERE s.recorded_to_position > given.known LIMIT 5000
               ) later
           ) ELSE 0 END AS later -- so many have been superseded since
    FROM moment c
    CROSS JOIN unnest(
        (SELECT %(type)s::text[]), (SELECT %(known)s::bigint[]), -- no plan hangs on a value
        (SELECT %(as_of)s::timestamptz[]), (SELECT %(now)s::timestamptz[]),
        (SELECT %(after_instant)s::timestamptz[]), (SELECT %(after_uid)s::uuid[]), (SELECT %(backward)s::boolean[]),
        (SELECT %(limit)s::bigint[]), (SELECT %(offset)s::bigint[]), (SELECT %(counted)s::boolean[])
    ) WITH ORDINALITY AS given (type, known, as_of, now, since, key, backward, most, passed, counted, number)
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
    WITH believed AS NOT MATERIALIZED (
        SELECT id, entity_uid, display_name, entity_type, hashdiff, valid_from,
               CASE WHEN valid_to_known_position <= asked.known THEN valid_to END AS valid_to
        FROM entity_version
        WHERE recorded_from_position <= asked.known AND valid_from <= asked.instant
          AND (valid_to IS NULL OR valid_to > asked.instant OR valid_to_known_position > asked.known)
    ), superseded AS NOT MATERIALIZED (
        SELECT id, entity_uid, display_name, entity_type, hashdiff, valid_from,
               CASE WHEN valid_to_known_position <= asked.known THEN valid_to END AS valid_to
        FROM entity_version_superseded
        WHERE recorded_from_position <= asked.known AND recorded_to_position > asked.known AND valid_from <= asked.instant
          AND (valid_to IS NULL OR valid_to > asked.instant OR valid_to_known_position > asked.known)
          AND (asked.type IS NULL OR entity_type = asked.type)
    ), few AS NOT MATERIALIZED (
        SELECT * FROM superseded WHERE asked.later BETWEEN 1 AND 4999 OFFSET 0
    ), page AS MATERIALIZED (
        SELECT *, row_number() OVER (ORDER BY valid_from DESC, entity_uid) AS place FROM (
            (SELECT * FROM (
                (SELECT * FROM believed
                 WHERE asked.type IS NULL AND valid_from = asked.since AND entity_uid > asked.key
                 ORDER BY entity_uid LIMIT 1501) -- more than any page takes: the index has them in this order
                UNION ALL
                (SELECT * FROM believed
                 WHERE asked.type IS NULL AND valid_from < asked.since
                 ORDER BY valid_from DESC, entity_uid LIMIT 1501)
                UNION ALL
                (SELECT * FROM believed
                 WHERE entity_type = asked.type AND valid_from = asked.since AND entity_uid > asked.key
                 ORDER BY entity_uid LIMIT 1501)
                UNION ALL
                (SELECT * FROM believed
                 WHERE entity_type = asked.type AND valid_from < asked.since
                 ORDER BY valid_from DESC, entity_uid LIMIT 1501)
                UNION ALL
                (SELECT * FROM few
                 WHERE valid_from < asked.since OR valid_from = asked.since AND entity_uid > asked.key)
                UNION ALL
                (SELECT * FROM superseded
                 WHERE asked.later >= 5000 AND valid_from <= asked.since
                   AND (valid_from < asked.since OR entity_uid > asked.key)
                 ORDER BY valid_from DESC, entity_uid LIMIT 1501)
             ) after
             WHERE NOT asked.backward
             ORDER BY valid_from DESC, entity_uid
             LIMIT asked.most OFFSET asked.passed)
            UNION ALL
            (SELECT * FROM (
                (SELECT * FROM believed
                 WHERE asked.type IS NULL AND valid_from = asked.since AND entity_uid < asked.key
                 ORDER BY entity_uid DESC LIMIT 1501)
                UNION ALL
                (SELECT * FROM believed
                 WHERE asked.type IS NULL AND valid_from > asked.since
                 ORDER BY valid_from, entity_uid DESC LIMIT 1501)
                UNION ALL
                (SELECT * FROM believed
                 WHERE entity_type = asked.type AND valid_from = asked.since AND entity_uid < asked.key
                 ORDER BY entity_uid DESC LIMIT 1501)
                UNION ALL
                (SELECT * FROM believed
                 WHERE entity_type = asked.type AND valid_from > asked.since
                 ORDER BY valid_from, entity_uid DESC LIMIT 1501)
                UNION ALL
                (SELECT * FROM few
                 WHERE valid_from > asked.since OR valid_from = asked.since AND entity_uid < asked.key)
                UNION ALL
                (SELECT * FROM superseded
                 WHERE asked.later >= 5000 AND valid_from >= asked.since
                   AND (valid_from > asked.since OR entity_uid < asked.key)
                 ORDER BY valid_from, entity_uid DESC LIMIT 1501)
             ) before
             WHERE asked.backward
             ORDER BY valid_from, entity_uid DESC
             LIMIT asked.most)
        ) found
        WHERE NOT asked.is_refused
    )
    SELECT c.position, asked.instant AS as_of,
           CASE WHEN NOT c.has_parked THEN ARRAY[0, NULL]::bigint[]
                ELSE (SELECT ARRAY[count(DISTINCT stream), min(position)] FROM parked_event
                      WHERE position <= asked.known) END AS parked,
           asked.now,
           CASE WHEN NOT asked.counted THEN NULL
                WHEN asked.past IS NULL THEN (SELECT entities FROM counts WHERE counts.number = asked.number)
                ELSE (SELECT entities_known_at(asked.instant, asked.type, asked.known, c.position)) END AS count,
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
