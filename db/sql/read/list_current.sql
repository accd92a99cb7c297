-- A page of what exists now, newest first, straight off its index; for ReadModel.entities without any filter.
-- What fell due since the flags were brought up to date is not flagged yet, and what ended since still is.
WITH moment AS MATERIALIZED (
    SELECT position, clock_at, greatest(now(), recorded_at, clock_at) AS now FROM checkpoint WHERE name = 'read_model'
), due_details AS MATERIALIZED (
    SELECT v.* FROM entity_detail_version v, moment
    WHERE NOT is_current AND valid_from > clock_at AND valid_from <= now AND (valid_to IS NULL OR valid_to > now)
      AND created_at < valid_from -- as whatever begins after the clock, and an index has just these
), due AS (
    SELECT id, entity_uid, valid_from
    FROM entity_version, moment
    WHERE NOT is_current
      AND valid_from > clock_at AND valid_from <= now AND (valid_to IS NULL OR valid_to > now)
      AND created_at < valid_from
), place AS (
    SELECT id FROM (
        (SELECT id, entity_uid, valid_from
         FROM entity_version
         WHERE is_current AND (valid_to IS NULL OR valid_to > (SELECT now FROM moment))
         ORDER BY valid_from DESC, entity_uid
         LIMIT %(limit)s::bigint + %(offset)s::bigint)
        UNION ALL
        SELECT * FROM due
    ) AS existing
    ORDER BY valid_from DESC, entity_uid
    LIMIT %(limit)s::bigint OFFSET %(offset)s::bigint
), page AS (
    SELECT v.* FROM place JOIN entity_version v USING (id) -- what is skipped is skipped in the index
)
SELECT c.position, c.now AS as_of,
       (SELECT ARRAY[count(DISTINCT stream), min(position)] FROM parked_event) AS parked,
       c.now,
       CASE WHEN %(counted)s::boolean THEN (SELECT entities_at(now, NULL) FROM moment) END AS count,
       NULL::text AS refused,
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
ORDER BY page.valid_from DESC, page.entity_uid, d.detail_type COLLATE "C"
