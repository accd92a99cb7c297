-- The instants after as_of at which something of an entity begins or ends, as known at a position or latest, in order,
-- each with all rows that ever met there, and then the events that made and ended these; for ReadModel.scheduled. The
-- count is that of the fields that change. Backwards they are the last ones up to a key.
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
), belief AS MATERIALIZED (
    SELECT page.instant, page.entity_uid, r.*
    FROM page
    CROSS JOIN LATERAL rows_of(page.entity_uid) r
    WHERE (r.valid_from = page.instant OR r.valid_to = page.instant)
      AND (%(known)s::bigint IS NULL OR r.recorded_from_position <= %(known)s::bigint)
)
SELECT c.position, c.as_of,
       (SELECT ARRAY[count(DISTINCT stream), min(position)] FROM parked_event
        WHERE (%(uid)s::uuid IS NULL OR stream = 'entity:' || %(uid)s::uuid::text)
          AND (%(known)s::bigint IS NULL OR position <= %(known)s::bigint)) AS parked,
       CASE WHEN %(counted)s::boolean THEN
           (SELECT coalesce(sum(CASE WHEN b.id IS NULL THEN 3
                                     ELSE (b.display_name <> a.display_name)::integer
                                          + (b.entity_type <> a.entity_type)::integer END), 0)
            FROM entities a LEFT JOIN entities b ON b.entity_uid = a.entity_uid AND b.valid_to = a.valid_from
            WHERE a.valid_from > (SELECT as_of FROM moment))
           + (SELECT 3 * count(*) FROM entities a
              WHERE a.valid_to > (SELECT as_of FROM moment) AND NOT EXISTS (
                  SELECT FROM entities b WHERE b.entity_uid = a.entity_uid AND b.valid_from = a.valid_to))
           + (SELECT count(*) FROM details a WHERE a.valid_from > (SELECT as_of FROM moment))
           + (SELECT count(*) FROM details a
              WHERE a.valid_to > (SELECT as_of FROM moment) AND NOT EXISTS (
                  SELECT FROM details b WHERE b.entity_uid = a.entity_uid AND b.detail_type = a.detail_type
                                          AND b.valid_from = a.valid_to))
       END::bigint AS count,
       found.*
FROM moment c
LEFT JOIN (
    SELECT instant, entity_uid, detail_type, value, entity_type, valid_from, valid_to,
           recorded_from_position, valid_to_known_position, recorded_to_position,
           NULL::uuid AS event_id, NULL::text AS actor, NULL::text AS reason, NULL::timestamptz AS recorded_at
    FROM belief
    UNION ALL
    SELECT NULL, NULL, NULL, NULL, NULL, NULL, NULL, a.position, NULL, NULL,
           a.event_id, a.actor, a.reason, a.recorded_at
    FROM (SELECT recorded_from_position FROM belief
          UNION SELECT valid_to_known_position FROM belief
          UNION SELECT recorded_to_position FROM belief) e (position)
    JOIN audit_entry a ON a.audit_id = e.position * 65536
) found ON true
ORDER BY found.instant, found.entity_uid
