-- Pages of what exists now, all of it or of one type each, newest first, straight off its index, in the order they were
-- asked for: of each a row about all of it, then a row an entity, followed by a row a detail; for ReadModel.entities without
-- any other filter. What all of them pass is passed once.
-- What fell due since the flags were brought up to date is not flagged yet, and what ended since still is.
WITH moment AS MATERIALIZED (
    SELECT position, clock_at, greatest(now(), recorded_at, clock_at) AS now, EXISTS (SELECT FROM parked_event) AS has_parked
    FROM checkpoint WHERE name = 'read_model'
), due_details AS MATERIALIZED (
    SELECT v.* FROM entity_detail_version v, moment
    WHERE NOT is_current AND valid_from > clock_at AND valid_from <= now AND (valid_to IS NULL OR valid_to > now)
      AND created_at < valid_from -- as whatever begins after the clock, and an index has just these
), due AS MATERIALIZED (
    SELECT id, entity_uid, entity_type, valid_from
    FROM entity_version, moment
    WHERE NOT is_current
      AND valid_from > clock_at AND valid_from <= now AND (valid_to IS NULL OR valid_to > now)
      AND created_at < valid_from
), start AS MATERIALIZED (
    SELECT all_of.*, first.*
    FROM (
        SELECT type, min(passed) AS passed
        FROM unnest((SELECT %(type)s::text[]), (SELECT %(offset)s::bigint[])) AS a (type, passed) -- no plan hangs on a value
        WHERE type IS NULL OR EXISTS (SELECT FROM entity_type t WHERE t.code = type AND t.is_active) -- else it is refused
        GROUP BY type
    ) all_of
    CROSS JOIN moment c
    CROSS JOIN LATERAL (
        SELECT valid_from, entity_uid FROM (
            (SELECT entity_uid, valid_from FROM entity_version
             WHERE all_of.type IS NULL AND is_current AND (valid_to IS NULL OR valid_to > c.now)
             ORDER BY valid_from DESC, entity_uid
             LIMIT all_of.passed + 1)
            UNION ALL
            (SELECT entity_uid, valid_from FROM entity_version
             WHERE entity_type = all_of.type AND is_current AND (valid_to IS NULL OR valid_to > c.now)
             ORDER BY valid_from DESC, entity_uid
             LIMIT all_of.passed + 1)
            UNION ALL
            SELECT entity_uid, valid_from FROM due WHERE all_of.type IS NULL OR entity_type = all_of.type
        ) AS existing
        ORDER BY valid_from DESC, entity_uid
        LIMIT 1 OFFSET all_of.passed
    ) first
), counts AS MATERIALIZED (
    SELECT a.types[counted.number] AS type, counted.entities
    FROM (
        SELECT array_agg(now) AS instants, array_agg(type) AS types
        FROM moment
        CROSS JOIN (
            SELECT DISTINCT type
            FROM unnest((SELECT %(type)s::text[]), (SELECT %(counted)s::boolean[])) AS a (type, counted) WHERE counted
        ) wanted
    ) a
    CROSS JOIN LATERAL counts_at(a.instants, a.types) counted
)
SELECT answer.position, answer.as_of, answer.parked, answer.now, answer.count, answer.refused,
       answer.code, answer.id, answer.entity_uid, answer.value, answer.entity_type,
       answer.valid_from, answer.valid_to, answer.hashdiff
FROM moment c
CROSS JOIN unnest(
    (SELECT %(type)s::text[]), (SELECT %(limit)s::bigint[]), (SELECT %(offset)s::bigint[]), (SELECT %(counted)s::boolean[])
) WITH ORDINALITY AS asked (type, most, passed, counted, number)
LEFT JOIN start ON start.type IS NOT DISTINCT FROM asked.type
CROSS JOIN LATERAL (
    WITH placed AS (
        SELECT id FROM (
            (SELECT id, entity_uid, valid_from FROM entity_version
             WHERE asked.type IS NULL AND is_current AND (valid_to IS NULL OR valid_to > c.now)
               AND valid_from <= start.valid_from AND (valid_from < start.valid_from OR entity_uid >= start.entity_uid)
             ORDER BY valid_from DESC, entity_uid
             LIMIT asked.most + asked.passed - start.passed)
            UNION ALL
            (SELECT id, entity_uid, valid_from FROM entity_version
             WHERE entity_type = asked.type AND is_current AND (valid_to IS NULL OR valid_to > c.now)
               AND valid_from <= start.valid_from AND (valid_from < start.valid_from OR entity_uid >= start.entity_uid)
             ORDER BY valid_from DESC, entity_uid
             LIMIT asked.most + asked.passed - start.passed)
            UNION ALL
            SELECT id, entity_uid, valid_from FROM due
            WHERE (asked.type IS NULL OR entity_type = asked.type)
              AND valid_from <= start.valid_from AND (valid_from < start.valid_from OR entity_uid >= start.entity_uid)
        ) AS existing
        ORDER BY valid_from DESC, entity_uid
        LIMIT asked.most OFFSET asked.passed - start.passed
    ), page AS MATERIALIZED ( -- what is skipped is skipped in the index
        SELECT v.*, row_number() OVER (ORDER BY valid_from DESC, entity_uid) AS place
        FROM placed JOIN entity_version v USING (id)
    )
    SELECT c.position, c.now AS as_of,
           CASE WHEN NOT c.has_parked THEN ARRAY[0, NULL]::bigint[]
                ELSE (SELECT ARRAY[count(DISTINCT stream), min(position)] FROM parked_event) END AS parked,
           c.now AS now,
           CASE WHEN asked.counted
                THEN (SELECT entities FROM counts WHERE counts.type IS NOT DISTINCT FROM asked.type) END AS count,
           CASE WHEN asked.type IS NOT NULL
                     AND NOT EXISTS (SELECT FROM entity_type t WHERE t.code = asked.type AND t.is_active)
                THEN 'type' END AS refused,
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
        WHERE v.entity_uid = page.entity_uid AND v.is_current AND (v.valid_to IS NULL OR v.valid_to > c.now)
        OFFSET 0 -- one look-up an entity
    ) d
    UNION ALL
    SELECT NULL, NULL, NULL, NULL, NULL, NULL,
           page.place, d.detail_type, d.id, NULL, d.detail_value, NULL, d.valid_from, d.valid_to, d.hashdiff
    FROM page JOIN due_details d USING (entity_uid)
) answer
ORDER BY asked.number << 16 | answer.place, answer.code COLLATE "C" NULLS FIRST
