-- A page of what existed at an instant, by any filter in any order; for ReadModel.entities. It is planned anew for each
-- question, so a filter that is NULL costs nothing and the order is the one asked for. What is skipped is skipped in an
-- index, where one has all it takes.
--
-- In the order of names a word is looked for in the first of them; where these do not fill the page, all that have it are
-- found, whatever the order, and sorted: a common word that only late names have is not met on the way.
WITH named AS (
    SELECT k.entity_uid FROM external_key k
    WHERE k.external_id = %(external_id)s::text AND (%(source)s::text IS NULL OR k.source = %(source)s::text)
), found AS NOT MATERIALIZED (
    SELECT e.id, e.entity_uid, e.valid_from, e.search_name
    FROM entity_version e
    WHERE e.valid_from <= %(as_of)s::timestamptz
      AND (e.valid_to IS NULL OR e.valid_to > %(as_of)s::timestamptz)
      AND (%(pattern)s::text IS NULL OR e.search_name LIKE %(pattern)s::text)
      AND (%(type)s::text IS NULL OR e.entity_type = %(type)s::text)
      AND (%(external_id)s::text IS NULL OR e.entity_uid = ANY (ARRAY(SELECT n.entity_uid FROM named n)))
      AND (%(detail_hash)s::text IS NULL OR e.entity_uid = ANY (ARRAY(
          SELECT f.entity_uid FROM entity_detail_version f
          WHERE f.hashdiff = %(detail_hash)s::text AND f.valid_from <= %(as_of)s::timestamptz
            AND (f.valid_to IS NULL OR f.valid_to > %(as_of)s::timestamptz))))
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
    SELECT e.* FROM first_names n JOIN found e ON e.entity_uid = n.entity_uid AND e.search_name = n.search_name
    WHERE %(order)s::text = 'display_name' AND %(pattern)s::text IS NOT NULL
    ORDER BY e.search_name COLLATE "C", e.entity_uid
    LIMIT %(limit)s::bigint + %(offset)s::bigint
), is_met AS MATERIALIZED (
    SELECT count(*) = %(limit)s::bigint + %(offset)s::bigint AS soon FROM soon
), page AS (
    SELECT v.*, in_order.place
    FROM (
        SELECT id, row_number() OVER () AS place FROM (
            (SELECT id FROM (
                 SELECT * FROM soon WHERE (SELECT soon FROM is_met)
                 UNION ALL
                 SELECT * FROM (
                     SELECT * FROM found
                     WHERE %(order)s::text = 'display_name' AND %(pattern)s::text IS NOT NULL AND NOT (SELECT soon FROM is_met)
                     OFFSET 0) late -- whatever the order
             ) named
             ORDER BY search_name COLLATE "C", entity_uid
             LIMIT %(limit)s::bigint OFFSET %(offset)s::bigint)
            UNION ALL
            (SELECT id FROM found
             WHERE NOT (%(order)s::text = 'display_name' AND %(pattern)s::text IS NOT NULL)
             ORDER BY CASE WHEN %(order)s::text = '-valid_from' THEN valid_from END DESC,
                      CASE WHEN %(order)s::text = 'display_name' THEN search_name END COLLATE "C",
                      entity_uid
             LIMIT %(limit)s::bigint OFFSET %(offset)s::bigint)
        ) AS passed
    ) AS in_order
    JOIN entity_version v USING (id)
)
SELECT c.position, %(as_of)s::timestamptz AS as_of,
       (SELECT ARRAY[count(DISTINCT stream), min(position)] FROM parked_event) AS parked,
       greatest(now(), c.recorded_at, c.clock_at) AS now,
       CASE WHEN NOT %(counted)s::boolean THEN NULL
            WHEN num_nonnulls(%(pattern)s::text, %(external_id)s::text, %(detail_hash)s::text) = 0
            THEN (SELECT entities_at(%(as_of)s::timestamptz, %(type)s::text))
            ELSE (SELECT count(*) FROM found) END AS count,
       CASE WHEN %(type)s::text IS NOT NULL
                 AND NOT EXISTS (SELECT FROM entity_type t WHERE t.code = %(type)s::text AND t.is_active) THEN 'type'
            WHEN %(detail_type)s::text IS NOT NULL
                 AND NOT EXISTS (SELECT FROM detail_type t WHERE t.code = %(detail_type)s::text) THEN 'detail_type'
       END AS refused,
       page.id, page.entity_uid, page.display_name, page.entity_type, page.valid_from, page.valid_to, page.hashdiff,
       d.id, d.detail_type, d.detail_value, d.valid_from, d.valid_to, d.hashdiff
FROM checkpoint c
LEFT JOIN page ON true
LEFT JOIN entity_detail_version d
    ON d.entity_uid = page.entity_uid
    AND d.valid_from <= %(as_of)s::timestamptz AND (d.valid_to IS NULL OR d.valid_to > %(as_of)s::timestamptz)
WHERE c.name = 'read_model'
ORDER BY page.place, d.detail_type COLLATE "C"
