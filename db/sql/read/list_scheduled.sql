-- The instants after as_of at which something of an entity begins or ends, as known at a position or latest, in order,
-- each with the rows that meet there and the events that made it so; for ReadModel.scheduled. The count is that of the
-- fields that change. Backwards they are the last ones up to a key.
WITH moment AS MATERIALIZED (
    SELECT position, m.now, coalesce(%(as_of)s::timestamptz, m.now) AS as_of
    FROM checkpoint,
         LATERAL (SELECT coalesce(%(now)s::timestamptz, greatest(now(), recorded_at, clock_at)) AS now) m
    WHERE name = 'read_model'
), entities AS NOT MATERIALIZED (
    SELECT * FROM entity_version_known(%(known)s::bigint)
    WHERE %(uid)s::uuid IS NULL OR entity_uid = %(uid)s::uuid
), details AS NOT MATERIALIZED (
    SELECT * FROM entity_detail_version_known(%(known)s::bigint)
    WHERE %(uid)s::uuid IS NULL OR entity_uid = %(uid)s::uuid
), points AS NOT MATERIALIZED (
    SELECT valid_from AS instant, entity_uid FROM entities WHERE valid_from > (SELECT as_of FROM moment)
    UNION
    SELECT valid_to, entity_uid FROM entities WHERE valid_to > (SELECT as_of FROM moment)
    UNION
    SELECT valid_from, entity_uid FROM details WHERE valid_from > (SELECT as_of FROM moment)
    UNION
    SELECT valid_to, entity_uid FROM details WHERE valid_to > (SELECT as_of FROM moment)
), page AS (
    SELECT * FROM points
    WHERE %(after_uid)s::uuid IS NULL
       OR CASE WHEN %(backward)s::boolean
               THEN (instant, entity_uid) <= (%(after_instant)s::timestamptz, %(after_uid)s::uuid)
               ELSE (instant, entity_uid) >= (%(after_instant)s::timestamptz, %(after_uid)s::uuid) END
    ORDER BY CASE WHEN NOT %(backward)s::boolean THEN instant END,
             CASE WHEN %(backward)s::boolean THEN instant END DESC,
             CASE WHEN NOT %(backward)s::boolean THEN entity_uid END,
             CASE WHEN %(backward)s::boolean THEN entity_uid END DESC
    LIMIT %(most)s::bigint
)
SELECT c.position, c.as_of,
       CASE WHEN %(counted)s::boolean THEN
           (SELECT coalesce(sum(CASE WHEN b.id IS NULL THEN 3
                                     ELSE (b.display_name <> a.display_name)::integer
                                          + (b.entity_type <> a.entity_type)::integer END), 0)
            FROM entities a LEFT JOIN entities b ON b.entity_uid = a.entity_uid AND b.valid_to = a.valid_from
            WHERE a.valid_from > c.as_of)
           + (SELECT 3 * count(*) FROM entities a
              WHERE a.valid_to > c.as_of AND NOT EXISTS (
                  SELECT FROM entities b WHERE b.entity_uid = a.entity_uid AND b.valid_from = a.valid_to))
           + (SELECT count(*) FROM details a WHERE a.valid_from > c.as_of)
           + (SELECT count(*) FROM details a
              WHERE a.valid_to > c.as_of AND NOT EXISTS (
                  SELECT FROM details b WHERE b.entity_uid = a.entity_uid AND b.detail_type = a.detail_type
                                          AND b.valid_from = a.valid_to))
       END::bigint AS count,
       page.instant, page.entity_uid, r.detail_type, r.value, r.entity_type, r.valid_from, r.valid_to,
       made.event_id, made.actor, made.reason
FROM moment c
LEFT JOIN page ON true
LEFT JOIN LATERAL (
    SELECT NULL::text AS detail_type, e.display_name AS value, e.entity_type, e.valid_from, e.valid_to,
           e.recorded_from_position, e.valid_to_known_position
    FROM entity_version_known(%(known)s::bigint) e
    WHERE e.entity_uid = page.entity_uid AND (e.valid_from = page.instant OR e.valid_to = page.instant)
    UNION ALL
    SELECT d.detail_type, d.detail_value, NULL, d.valid_from, d.valid_to,
           d.recorded_from_position, d.valid_to_known_position
    FROM entity_detail_version_known(%(known)s::bigint) d
    WHERE d.entity_uid = page.entity_uid AND (d.valid_from = page.instant OR d.valid_to = page.instant)
) r ON true
LEFT JOIN audit_entry made ON made.audit_id = 65536 * CASE
    WHEN r.valid_from = page.instant THEN r.recorded_from_position ELSE r.valid_to_known_position END
ORDER BY page.instant, page.entity_uid
