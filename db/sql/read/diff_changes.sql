-- A page of the entities with any change in a window, with their rows in it; for ReadModel.diff. Where a row starts or
-- ends something changes, so those are the entities, and the cost follows the changes.
WITH touched AS MATERIALIZED (
    SELECT entity_uid FROM entity_version WHERE valid_from > %(from)s::timestamptz AND valid_from <= %(to)s::timestamptz
    UNION
    SELECT entity_uid FROM entity_version WHERE valid_to > %(from)s::timestamptz AND valid_to <= %(to)s::timestamptz
    UNION
    SELECT entity_uid FROM entity_detail_version
    WHERE valid_from > %(from)s::timestamptz AND valid_from <= %(to)s::timestamptz
    UNION
    SELECT entity_uid FROM entity_detail_version
    WHERE valid_to > %(from)s::timestamptz AND valid_to <= %(to)s::timestamptz
), page AS (
    SELECT entity_uid FROM touched ORDER BY entity_uid LIMIT %(limit)s::bigint OFFSET %(offset)s::bigint
)
SELECT c.position, coalesce(%(as_of)s::timestamptz, greatest(now(), c.recorded_at)) AS as_of,
       CASE WHEN %(counted)s::boolean THEN (SELECT count(*) FROM touched) END AS count,
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
