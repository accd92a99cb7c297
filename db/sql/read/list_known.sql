-- A page of what existed at an instant as it was known at a position, by uid, by any filter but of a name:
-- one point lookup an entity, whatever its history; for ReadModel.entities, where none is skipped. It is planned anew for each
-- question. Backwards it is the page before a key.
WITH named AS (
    SELECT k.entity_uid FROM external_key k
    WHERE k.external_id = %(external_id)s::text AND (%(source)s::text IS NULL OR k.source = %(source)s::text)
      AND k.position <= %(known)s::bigint
), holders AS (
    SELECT f.entity_uid FROM entity_detail_version_known(%(known)s::bigint) f
    WHERE f.hashdiff = %(detail_hash)s::text AND f.valid_from <= %(as_of)s::timestamptz
      AND (f.valid_to IS NULL OR f.valid_to > %(as_of)s::timestamptz)
), page AS (
    SELECT e.id, e.entity_uid, e.display_name, e.entity_type, e.valid_from, e.valid_to, e.hashdiff
    FROM entity_head h
    CROSS JOIN LATERAL (
        SELECT * FROM entity_version_known(%(known)s::bigint) v
        WHERE v.entity_uid = h.entity_uid AND v.valid_from <= %(as_of)s::timestamptz
        ORDER BY v.valid_from DESC LIMIT 1
    ) e
    WHERE (e.valid_to IS NULL OR e.valid_to > %(as_of)s::timestamptz)
      AND (%(type)s::text IS NULL OR e.entity_type = %(type)s::text)
      AND (%(external_id)s::text IS NULL OR h.entity_uid = ANY (ARRAY(SELECT n.entity_uid FROM named n)))
      AND (%(detail_hash)s::text IS NULL OR h.entity_uid = ANY (ARRAY(SELECT f.entity_uid FROM holders f)))
      AND (%(after_uid)s::uuid IS NULL
           OR CASE WHEN %(backward)s::boolean THEN h.entity_uid < %(after_uid)s::uuid
                   ELSE h.entity_uid > %(after_uid)s::uuid END)
    ORDER BY CASE WHEN NOT %(backward)s::boolean THEN h.entity_uid END,
             CASE WHEN %(backward)s::boolean THEN h.entity_uid END DESC
    LIMIT %(limit)s::bigint
)
SELECT c.position, %(as_of)s::timestamptz AS as_of,
       (SELECT ARRAY[count(DISTINCT stream), min(position)] FROM parked_event
        WHERE position <= %(known)s::bigint) AS parked,
       coalesce(%(now)s::timestamptz, greatest(now(), c.recorded_at, c.clock_at)) AS now,
       CASE WHEN NOT %(counted)s::boolean THEN NULL
            WHEN num_nonnulls(%(external_id)s::text, %(detail_hash)s::text) = 0
            THEN (SELECT entities_known_at(%(as_of)s::timestamptz, %(type)s::text, %(known)s::bigint, position)
                  FROM checkpoint WHERE name = 'read_model')
            ELSE (
                SELECT count(*) FROM entity_version_known(%(known)s::bigint) e
                WHERE e.valid_from <= %(as_of)s::timestamptz
                  AND (e.valid_to IS NULL OR e.valid_to > %(as_of)s::timestamptz)
                  AND (%(type)s::text IS NULL OR e.entity_type = %(type)s::text)
                  AND (%(external_id)s::text IS NULL OR e.entity_uid = ANY (ARRAY(SELECT n.entity_uid FROM named n)))
                  AND (%(detail_hash)s::text IS NULL OR e.entity_uid = ANY (ARRAY(SELECT f.entity_uid FROM holders f)))
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
ORDER BY page.entity_uid, d.detail_type COLLATE "C"
