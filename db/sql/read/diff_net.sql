-- A page of the entities whose state at one instant is not that at another, with their rows between; for
-- ReadModel.diff. Candidates are those with a start or an end in the window: the cost follows the changes.
WITH touched AS (
    SELECT entity_uid FROM entity_version WHERE valid_from > %(from)s::timestamptz AND valid_from <= %(to)s::timestamptz
    UNION
    SELECT entity_uid FROM entity_version WHERE valid_to > %(from)s::timestamptz AND valid_to <= %(to)s::timestamptz
    UNION
    SELECT entity_uid FROM entity_detail_version
    WHERE valid_from > %(from)s::timestamptz AND valid_from <= %(to)s::timestamptz
    UNION
    SELECT entity_uid FROM entity_detail_version
    WHERE valid_to > %(from)s::timestamptz AND valid_to <= %(to)s::timestamptz
), changed AS MATERIALIZED (
    SELECT t.entity_uid
    FROM (SELECT entity_uid FROM touched ORDER BY entity_uid) t
    WHERE (SELECT CASE WHEN e.valid_to IS NULL OR e.valid_to > %(from)s::timestamptz THEN e.hashdiff END
           FROM entity_version e WHERE e.entity_uid = t.entity_uid AND e.valid_from <= %(from)s::timestamptz
           ORDER BY e.valid_from DESC LIMIT 1)
          IS DISTINCT FROM
          (SELECT CASE WHEN e.valid_to IS NULL OR e.valid_to > %(to)s::timestamptz THEN e.hashdiff END
           FROM entity_version e WHERE e.entity_uid = t.entity_uid AND e.valid_from <= %(to)s::timestamptz
           ORDER BY e.valid_from DESC LIMIT 1)
       OR ARRAY(SELECT d.hashdiff FROM entity_detail_version d
                WHERE d.entity_uid = t.entity_uid AND d.valid_from <= %(from)s::timestamptz
                  AND (d.valid_to IS NULL OR d.valid_to > %(from)s::timestamptz)
                ORDER BY d.detail_type)
          IS DISTINCT FROM
          ARRAY(SELECT d.hashdiff FROM entity_detail_version d
                WHERE d.entity_uid = t.entity_uid AND d.valid_from <= %(to)s::timestamptz
                  AND (d.valid_to IS NULL OR d.valid_to > %(to)s::timestamptz)
                ORDER BY d.detail_type)
), page AS (
    SELECT entity_uid FROM changed ORDER BY entity_uid LIMIT %(limit)s::bigint OFFSET %(offset)s::bigint
)
SELECT c.position, coalesce(%(as_of)s::timestamptz, greatest(now(), c.recorded_at)) AS as_of,
       CASE WHEN %(counted)s::boolean THEN (SELECT count(*) FROM changed) END AS count,
       page.entity_uid, r.detail_type, r.value, r.entity_type, r.valid_from, r.valid_to
FROM checkpoint c
LEFT JOIN page ON true
LEFT JOIN LATERAL (
    SELECT NULL::text AS detail_type, display_name AS value, entity_type, valid_from, valid_to
    FROM entity_version e
    WHERE e.entity_uid = page.entity_uid AND e.valid_from <= %(to)s::timestamptz
      AND (e.valid_to IS NULL OR e.valid_to > %(from)s::timestamptz)
    UNION ALL
    SELECT detail_type, detail_value, NULL, valid_from, valid_to
    FROM entity_detail_version d
    WHERE d.entity_uid = page.entity_uid AND d.valid_from <= %(to)s::timestamptz
      AND (d.valid_to IS NULL OR d.valid_to > %(from)s::timestamptz)
) r ON true
WHERE c.name = 'read_model'
ORDER BY page.entity_uid
