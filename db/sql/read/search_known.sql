-- A page of what existed at an instant as it was known at a position, by any filter in any order: the first of either table,
-- together; for ReadModel.entities. It is planned anew for each question, so a filter that is NULL costs nothing and the
-- order is the one asked for. Backwards it is the page before a key.
WITH named AS (
    SELECT k.entity_uid FROM external_key k
    WHERE k.external_id = %(external_id)s::text AND (%(source)s::text IS NULL OR k.source = %(source)s::text)
      AND k.position <= %(known)s::bigint
), holders AS (
    SELECT f.entity_uid FROM entity_detail_version_known(%(known)s::bigint) f
    WHERE f.hashdiff = %(detail_hash)s::text AND f.valid_from <= %(as_of)s::timestamptz
      AND (f.valid_to IS NULL OR f.valid_to > %(as_of)s::timestamptz)
), place AS (
    SELECT id, CASE WHEN %(backward)s::boolean THEN -1 ELSE 1 END * row_number() OVER () AS place FROM (
        SELECT id FROM (
            (SELECT e.id, e.entity_uid, e.valid_from, e.search_name
             FROM entity_version e
             WHERE e.recorded_from_position <= %(known)s::bigint
               AND e.valid_from <= %(as_of)s::timestamptz
               AND (e.valid_to IS NULL OR e.valid_to > %(as_of)s::timestamptz OR e.valid_to_known_position > %(known)s::bigint)
               AND (%(pattern)s::text IS NULL OR e.search_name LIKE %(pattern)s::text)
               AND (%(type)s::text IS NULL OR e.entity_type = %(type)s::text)
               AND (%(external_id)s::text IS NULL OR e.entity_uid = ANY (ARRAY(SELECT n.entity_uid FROM named n)))
               AND (%(detail_hash)s::text IS NULL OR e.entity_uid = ANY (ARRAY(SELECT h.entity_uid FROM holders h)))
               AND (%(after_uid)s::uuid IS NULL OR CASE
                   WHEN %(order)s::text = 'entity_uid' AND NOT %(backward)s::boolean THEN e.entity_uid > %(after_uid)s::uuid
                   WHEN %(order)s::text = 'entity_uid' THEN e.entity_uid < %(after_uid)s::uuid
                   WHEN %(order)s::text = '-valid_from' AND NOT %(backward)s::boolean THEN
                       e.valid_from <= %(after_instant)s::timestamptz
                       AND (e.valid_from < %(after_instant)s::timestamptz OR e.entity_uid > %(after_uid)s::uuid)
                   WHEN %(order)s::text = '-valid_from' THEN
                       e.valid_from >= %(after_instant)s::timestamptz
                       AND (e.valid_from > %(after_instant)s::timestamptz OR e.entity_uid < %(after_uid)s::uuid)
                   WHEN NOT %(backward)s::boolean THEN
                       (e.search_name COLLATE "C", e.entity_uid) > (%(after_text)s::text COLLATE "C", %(after_uid)s::uuid)
                   ELSE (e.search_name COLLATE "C", e.entity_uid) < (%(after_text)s::text COLLATE "C", %(after_uid)s::uuid)
               END)
             ORDER BY CASE WHEN %(order)s::text = '-valid_from' AND NOT %(backward)s::boolean THEN valid_from END DESC,
                      CASE WHEN %(order)s::text = '-valid_from' AND %(backward)s::boolean THEN valid_from END,
                      CASE WHEN %(order)s::text = 'display_name' AND NOT %(backward)s::boolean THEN search_name END COLLATE "C",
                      CASE WHEN %(order)s::text = 'display_name' AND %(backward)s::boolean THEN search_name END COLLATE "C" DESC,
                      CASE WHEN NOT %(backward)s::boolean THEN entity_uid END,
                      CASE WHEN %(backward)s::boolean THEN entity_uid END DESC
             LIMIT %(limit)s::bigint + %(offset)s::bigint)
            UNION ALL
            (SELECT e.id, e.entity_uid, e.valid_from, e.search_name
             FROM entity_version_superseded e
             WHERE e.recorded_from_position <= %(known)s::bigint
               AND e.recorded_to_position > %(known)s::bigint
               AND e.valid_from <= %(as_of)s::timestamptz
               AND (e.valid_to IS NULL OR e.valid_to > %(as_of)s::timestamptz OR e.valid_to_known_position > %(known)s::bigint)
               AND (%(pattern)s::text IS NULL OR e.search_name LIKE %(pattern)s::text)
               AND (%(type)s::text IS NULL OR e.entity_type = %(type)s::text)
               AND (%(external_id)s::text IS NULL OR e.entity_uid = ANY (ARRAY(SELECT n.entity_uid FROM named n)))
               AND (%(detail_hash)s::text IS NULL OR e.entity_uid = ANY (ARRAY(SELECT h.entity_uid FROM holders h)))
               AND (%(after_uid)s::uuid IS NULL OR CASE
                   WHEN %(order)s::text = 'entity_uid' AND NOT %(backward)s::boolean THEN e.entity_uid > %(after_uid)s::uuid
                   WHEN %(order)s::text = 'entity_uid' THEN e.entity_uid < %(after_uid)s::uuid
                   WHEN %(order)s::text = '-valid_from' AND NOT %(backward)s::boolean THEN
                       e.valid_from <= %(after_instant)s::timestamptz
                       AND (e.valid_from < %(after_instant)s::timestamptz OR e.entity_uid > %(after_uid)s::uuid)
                   WHEN %(order)s::text = '-valid_from' THEN
                       e.valid_from >= %(after_instant)s::timestamptz
                       AND (e.valid_from > %(after_instant)s::timestamptz OR e.entity_uid < %(after_uid)s::uuid)
                   WHEN NOT %(backward)s::boolean THEN
                       (e.search_name COLLATE "C", e.entity_uid) > (%(after_text)s::text COLLATE "C", %(after_uid)s::uuid)
                   ELSE (e.search_name COLLATE "C", e.entity_uid) < (%(after_text)s::text COLLATE "C", %(after_uid)s::uuid)
               END)
             ORDER BY CASE WHEN %(order)s::text = '-valid_from' AND NOT %(backward)s::boolean THEN valid_from END DESC,
                      CASE WHEN %(order)s::text = '-valid_from' AND %(backward)s::boolean THEN valid_from END,
                      CASE WHEN %(order)s::text = 'display_name' AND NOT %(backward)s::boolean THEN search_name END COLLATE "C",
                      CASE WHEN %(order)s::text = 'display_name' AND %(backward)s::boolean THEN search_name END COLLATE "C" DESC,
                      CASE WHEN NOT %(backward)s::boolean THEN entity_uid END,
                      CASE WHEN %(backward)s::boolean THEN entity_uid END DESC
             LIMIT %(limit)s::bigint + %(offset)s::bigint)
        ) AS first_ones
        ORDER BY CASE WHEN %(order)s::text = '-valid_from' AND NOT %(backward)s::boolean THEN valid_from END DESC,
                 CASE WHEN %(order)s::text = '-valid_from' AND %(backward)s::boolean THEN valid_from END,
                 CASE WHEN %(order)s::text = 'display_name' AND NOT %(backward)s::boolean THEN search_name END COLLATE "C",
                 CASE WHEN %(order)s::text = 'display_name' AND %(backward)s::boolean THEN search_name END COLLATE "C" DESC,
                 CASE WHEN NOT %(backward)s::boolean THEN entity_uid END,
                 CASE WHEN %(backward)s::boolean THEN entity_uid END DESC
        LIMIT %(limit)s::bigint OFFSET %(offset)s::bigint
    ) AS in_order
), page AS (
    SELECT v.*, place.place
    FROM place
    CROSS JOIN LATERAL (
        SELECT * FROM entity_version_known(%(known)s::bigint) k WHERE k.id = place.id OFFSET 0 -- one look-up an entity
    ) v
)
SELECT c.position, %(as_of)s::timestamptz AS as_of,
       (SELECT ARRAY[count(DISTINCT stream), min(position)] FROM parked_event
        WHERE position <= %(known)s::bigint) AS parked,
       coalesce(%(now)s::timestamptz, greatest(now(), c.recorded_at, c.clock_at)) AS now,
       CASE WHEN NOT %(counted)s::boolean THEN NULL
            WHEN num_nonnulls(%(pattern)s::text, %(external_id)s::text, %(detail_hash)s::text) = 0
            THEN (SELECT entities_known_at(%(as_of)s::timestamptz, %(type)s::text, %(known)s::bigint, position)
                  FROM checkpoint WHERE name = 'read_model')
            ELSE (
                SELECT count(*) FROM entity_version_known(%(known)s::bigint) e
                WHERE e.valid_from <= %(as_of)s::timestamptz
                  AND (e.valid_to IS NULL OR e.valid_to > %(as_of)s::timestamptz)
                  AND (%(pattern)s::text IS NULL OR e.search_name LIKE %(pattern)s::text)
                  AND (%(type)s::text IS NULL OR e.entity_type = %(type)s::text)
                  AND (%(external_id)s::text IS NULL OR e.entity_uid = ANY (ARRAY(SELECT n.entity_uid FROM named n)))
                  AND (%(detail_hash)s::text IS NULL OR e.entity_uid = ANY (ARRAY(SELECT h.entity_uid FROM holders h)))
            ) END AS count,
       CASE WHEN %(type)s::text IS NOT NULL
                 AND NOT EXISTS (SELECT FROM entity_type t WHERE t.code = %(type)s::text AND t.is_active) THEN 'type'
            WHEN %(detail_type)s::text IS NOT NULL
                 AND NOT EXISTS (SELECT FROM detail_type t WHERE t.code = %(detail_type)s::text) THEN 'detail_type'
       END AS refused,
       page.id, page.entity_uid, page.display_name, page.entity_type, page.valid_from, page.valid_to, page.hashdiff,
       d.id, d.detail_type, d.detail_value, d.valid_from, d.valid_to, d.hashdiff
FROM checkpoint c
LEFT JOIN page ON true
LEFT JOIN LATERAL (
    SELECT * FROM entity_detail_version_known(%(known)s::bigint) v
    WHERE v.entity_uid = page.entity_uid
      AND v.valid_from <= %(as_of)s::timestamptz AND (v.valid_to IS NULL OR v.valid_to > %(as_of)s::timestamptz)
    OFFSET 0 -- one look-up an entity
) d ON true
WHERE c.name = 'read_model'
ORDER BY page.place, d.detail_type COLLATE "C"
