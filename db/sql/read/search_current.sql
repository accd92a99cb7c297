-- A page of what exists now, by any filter in any order; for ReadModel.entities. It is planned anew for each question,
-- so a filter that is NULL costs nothing and the order is the one asked for. What fell due since the flags were brought
-- up to date is not flagged yet, and what ended since still is.
WITH named AS (
    SELECT k.entity_uid FROM external_key k
    WHERE k.external_id = %(external_id)s::text AND (%(source)s::text IS NULL OR k.source = %(source)s::text)
), moment AS MATERIALIZED (
    SELECT position, clock_at, greatest(now(), recorded_at, clock_at) AS now FROM checkpoint WHERE name = 'read_model'
), due_details AS MATERIALIZED (
    SELECT v.* FROM entity_detail_version v, moment
    WHERE NOT is_current AND valid_from > clock_at AND valid_from <= now AND (valid_to IS NULL OR valid_to > now)
      AND created_at < valid_from -- as whatever begins after the clock, and an index has just these
), holders AS (
    SELECT entity_uid FROM entity_detail_version
    WHERE is_current AND hashdiff = %(detail_hash)s::text
      AND (valid_to IS NULL OR valid_to > (SELECT now FROM moment))
    UNION ALL
    SELECT entity_uid FROM entity_detail_version
    WHERE NOT is_current AND hashdiff = %(detail_hash)s::text
      AND valid_from > (SELECT clock_at FROM moment) AND valid_from <= (SELECT now FROM moment)
      AND created_at < valid_from
      AND (valid_to IS NULL OR valid_to > (SELECT now FROM moment))
), flagged AS NOT MATERIALIZED (
    SELECT id, entity_uid, display_name, entity_type, valid_from, valid_to, hashdiff, search_name
    FROM entity_version
    WHERE is_current AND (valid_to IS NULL OR valid_to > (SELECT now FROM moment))
      AND (%(pattern)s::text IS NULL OR search_name LIKE %(pattern)s::text)
      AND (%(type)s::text IS NULL OR entity_type = %(type)s::text)
      AND (%(external_id)s::text IS NULL OR entity_uid = ANY (ARRAY(SELECT n.entity_uid FROM named n)))
      AND (%(detail_hash)s::text IS NULL OR entity_uid = ANY (ARRAY(SELECT h.entity_uid FROM holders h)))
), due AS (
    SELECT id, entity_uid, display_name, entity_type, valid_from, valid_to, hashdiff, search_name
    FROM entity_version
    WHERE NOT is_current AND valid_from > (SELECT clock_at FROM moment) AND valid_from <= (SELECT now FROM moment)
      AND created_at < valid_from
      AND (valid_to IS NULL OR valid_to > (SELECT now FROM moment))
      AND (%(pattern)s::text IS NULL OR search_name LIKE %(pattern)s::text)
      AND (%(type)s::text IS NULL OR entity_type = %(type)s::text)
      AND (%(external_id)s::text IS NULL OR entity_uid = ANY (ARRAY(SELECT n.entity_uid FROM named n)))
      AND (%(detail_hash)s::text IS NULL OR entity_uid = ANY (ARRAY(SELECT h.entity_uid FROM holders h)))
), first_names AS (
    SELECT DISTINCT search_name, entity_uid FROM (
        SELECT search_name, entity_uid FROM (
            SELECT search_name, entity_uid FROM entity_version
            ORDER BY search_name COLLATE "C", entity_uid
            LIMIT 5000
        ) v
        WHERE search_name LIKE %(pattern)s::text
        ORDER BY search_name COLLATE "C", entity_uid
        LIMIT 4 * (%(limit)s::bigint + %(offset)s::bigint)
    ) n
), soon AS MATERIALIZED (
    SELECT e.* FROM first_names n JOIN flagged e ON e.entity_uid = n.entity_uid AND e.search_name = n.search_name
    WHERE %(order)s::text = 'display_name' AND %(pattern)s::text IS NOT NULL
    ORDER BY e.search_name COLLATE "C", e.entity_uid
    LIMIT %(limit)s::bigint + %(offset)s::bigint
), is_met AS MATERIALIZED (
    SELECT count(*) = %(limit)s::bigint + %(offset)s::bigint AS soon FROM soon
), page AS (
    SELECT *, row_number() OVER () AS place
    FROM (
        SELECT * FROM (
            SELECT * FROM soon WHERE (SELECT soon FROM is_met)
            UNION ALL
            (SELECT * FROM (
                 SELECT * FROM flagged
                 WHERE %(order)s::text = 'display_name' AND %(pattern)s::text IS NOT NULL AND NOT (SELECT soon FROM is_met)
                 OFFSET 0) late -- whatever the order
             ORDER BY search_name COLLATE "C", entity_uid
             LIMIT %(limit)s::bigint + %(offset)s::bigint)
            UNION ALL
            (SELECT * FROM flagged WHERE NOT (%(order)s::text = 'display_name' AND %(pattern)s::text IS NOT NULL)
             ORDER BY CASE WHEN %(order)s::text = '-valid_from' THEN valid_from END DESC,
                      CASE WHEN %(order)s::text = 'display_name' THEN search_name END COLLATE "C",
                      entity_uid
             LIMIT %(limit)s::bigint + %(offset)s::bigint)
            UNION ALL
            SELECT * FROM due
        ) AS existing
        ORDER BY CASE WHEN %(order)s::text = '-valid_from' THEN valid_from END DESC,
                 CASE WHEN %(order)s::text = 'display_name' THEN search_name END COLLATE "C",
                 entity_uid
        LIMIT %(limit)s::bigint OFFSET %(offset)s::bigint
    ) AS in_order
)
SELECT c.position, c.now AS as_of,
       (SELECT ARRAY[count(DISTINCT stream), min(position)] FROM parked_event) AS parked,
       c.now,
       CASE WHEN NOT %(counted)s::boolean THEN NULL
            WHEN num_nonnulls(%(pattern)s::text, %(external_id)s::text, %(detail_hash)s::text) = 0
            THEN (SELECT entities_at(now, %(type)s::text) FROM moment)
            ELSE (SELECT count(*) FROM flagged) + (SELECT count(*) FROM due) END AS count,
       CASE WHEN %(type)s::text IS NOT NULL
                 AND NOT EXISTS (SELECT FROM entity_type t WHERE t.code = %(type)s::text AND t.is_active) THEN 'type'
            WHEN %(detail_type)s::text IS NOT NULL
                 AND NOT EXISTS (SELECT FROM detail_type t WHERE t.code = %(detail_type)s::text) THEN 'detail_type'
       END AS refused,
       page.id, page.entity_uid, page.display_name, page.entity_type, page.valid_from, page.valid_to, page.hashdiff,
       d.id, d.detail_type, d.detail_value, d.valid_from, d.valid_to, d.hashdiff
FROM moment c
LEFT JOIN page ON true
LEFT JOIN LATERAL (
    SELECT * FROM entity_detail_version v
    WHERE v.entity_uid = page.entity_uid AND v.is_current AND (v.valid_to IS NULL OR v.valid_to > c.now)
    UNION ALL
    SELECT * FROM due_details v WHERE v.entity_uid = page.entity_uid
) d ON true
ORDER BY page.place, d.detail_type COLLATE "C"
