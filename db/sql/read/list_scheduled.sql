-- The instants after as_of at which something of an entity begins or ends, as known at a position or latest, in order,
-- each with all rows that ever met there, and then the events that made and ended these; for ReadModel.scheduled. The
-- count is that of the fields that change. Backwards they are the last ones up to a key. as_of is said twice: the planner
-- knows no more than what stands in the question.
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
), entity_ends AS NOT MATERIALIZED (
    SELECT entity_uid, valid_to FROM entity_version
    WHERE valid_to > (SELECT as_of FROM moment) AND valid_to > coalesce(%(as_of)s::timestamptz, %(now)s::timestamptz, now())
      AND (%(known)s::bigint IS NULL OR valid_to_known_position <= %(known)s::bigint)
      AND (%(uid)s::uuid IS NULL OR entity_uid = %(uid)s::uuid)
    UNION ALL
    SELECT entity_uid, valid_to FROM entity_version_superseded
    WHERE valid_to > (SELECT as_of FROM moment) AND valid_to > coalesce(%(as_of)s::timestamptz, %(now)s::timestamptz, now())
      AND valid_to_known_position <= %(known)s::bigint AND recorded_to_position > %(known)s::bigint
      AND (%(uid)s::uuid IS NULL OR entity_uid = %(uid)s::uuid)
), detail_ends AS NOT MATERIALIZED (
    SELECT entity_uid, detail_type, valid_to FROM entity_detail_version
    WHERE valid_to > (SELECT as_of FROM moment) AND valid_to > coalesce(%(as_of)s::timestamptz, %(now)s::timestamptz, now())
      AND (%(known)s::bigint IS NULL OR valid_to_known_position <= %(known)s::bigint)
      AND (%(uid)s::uuid IS NULL OR entity_uid = %(uid)s::uuid)
    UNION ALL
    SELECT entity_uid, detail_type, valid_to FROM entity_detail_version_superseded
    WHERE valid_to > (SELECT as_of FROM moment) AND valid_to > coalesce(%(as_of)s::timestamptz, %(now)s::timestamptz, now())
      AND valid_to_known_position <= %(known)s::bigint AND recorded_to_position > %(known)s::bigint
      AND (%(uid)s::uuid IS NULL OR entity_uid = %(uid)s::uuid)
), points AS (
    (SELECT valid_from AS instant, entity_uid FROM entity_version
     WHERE valid_from > (SELECT as_of FROM moment) AND valid_from > coalesce(%(as_of)s::timestamptz, %(now)s::timestamptz, now())
       AND (%(known)s::bigint IS NULL OR recorded_from_position <= %(known)s::bigint)
       AND (%(uid)s::uuid IS NULL OR entity_uid = %(uid)s::uuid)
       AND (%(after_uid)s::uuid IS NULL
            OR CASE WHEN %(backward)s::boolean
                    THEN (valid_from, entity_uid) <= (%(after_instant)s::timestamptz, %(after_uid)s::uuid)
                    ELSE (valid_from, entity_uid) >= (%(after_instant)s::timestamptz, %(after_uid)s::uuid) END)
     GROUP BY valid_from, entity_uid
     ORDER BY CASE WHEN NOT %(backward)s::boolean THEN valid_from END,
              CASE WHEN %(backward)s::boolean THEN valid_from END DESC,
              CASE WHEN NOT %(backward)s::boolean THEN entity_uid END,
              CASE WHEN %(backward)s::boolean THEN entity_uid END DESC
     LIMIT %(most)s::bigint)
    UNION
    (SELECT valid_to, entity_uid FROM entity_version
     WHERE valid_to > (SELECT as_of FROM moment) AND valid_to > coalesce(%(as_of)s::timestamptz, %(now)s::timestamptz, now())
       AND (%(known)s::bigint IS NULL OR valid_to_known_position <= %(known)s::bigint)
       AND (%(uid)s::uuid IS NULL OR entity_uid = %(uid)s::uuid)
       AND (%(after_uid)s::uuid IS NULL
            OR CASE WHEN %(backward)s::boolean
                    THEN (valid_to, entity_uid) <= (%(after_instant)s::timestamptz, %(after_uid)s::uuid)
                    ELSE (valid_to, entity_uid) >= (%(after_instant)s::timestamptz, %(after_uid)s::uuid) END)
     GROUP BY valid_to, entity_uid
     ORDER BY CASE WHEN NOT %(backward)s::boolean THEN valid_to END,
              CASE WHEN %(backward)s::boolean THEN valid_to END DESC,
              CASE WHEN NOT %(backward)s::boolean THEN entity_uid END,
              CASE WHEN %(backward)s::boolean THEN entity_uid END DESC
     LIMIT %(most)s::bigint)
    UNION
    (SELECT valid_from, entity_uid FROM entity_detail_version
     WHERE valid_from > (SELECT as_of FROM moment) AND valid_from > coalesce(%(as_of)s::timestamptz, %(now)s::timestamptz, now())
       AND (%(known)s::bigint IS NULL OR recorded_from_position <= %(known)s::bigint)
       AND (%(uid)s::uuid IS NULL OR entity_uid = %(uid)s::uuid)
       AND (%(after_uid)s::uuid IS NULL
            OR CASE WHEN %(backward)s::boolean
                    THEN (valid_from, entity_uid) <= (%(after_instant)s::timestamptz, %(after_uid)s::uuid)
                    ELSE (valid_from, entity_uid) >= (%(after_instant)s::timestamptz, %(after_uid)s::uuid) END)
     GROUP BY valid_from, entity_uid
     ORDER BY CASE WHEN NOT %(backward)s::boolean THEN valid_from END,
              CASE WHEN %(backward)s::boolean THEN valid_from END DESC,
              CASE WHEN NOT %(backward)s::boolean THEN entity_uid END,
              CASE WHEN %(backward)s::boolean THEN entity_uid END DESC
     LIMIT %(most)s::bigint)
    UNION
    (SELECT valid_to, entity_uid FROM entity_detail_version
     WHERE valid_to > (SELECT as_of FROM moment) AND valid_to > coalesce(%(as_of)s::timestamptz, %(now)s::timestamptz, now())
       AND (%(known)s::bigint IS NULL OR valid_to_known_position <= %(known)s::bigint)
       AND (%(uid)s::uuid IS NULL OR entity_uid = %(uid)s::uuid)
       AND (%(after_uid)s::uuid IS NULL
            OR CASE WHEN %(backward)s::boolean
                    THEN (valid_to, entity_uid) <= (%(after_instant)s::timestamptz, %(after_uid)s::uuid)
                    ELSE (valid_to, entity_uid) >= (%(after_instant)s::timestamptz, %(after_uid)s::uuid) END)
     GROUP BY valid_to, entity_uid
     ORDER BY CASE WHEN NOT %(backward)s::boolean THEN valid_to END,
              CASE WHEN %(backward)s::boolean THEN valid_to END DESC,
              CASE WHEN NOT %(backward)s::boolean THEN entity_uid END,
              CASE WHEN %(backward)s::boolean THEN entity_uid END DESC
     LIMIT %(most)s::bigint)
    UNION
    (SELECT valid_from, entity_uid FROM entity_version_superseded
     WHERE valid_from > (SELECT as_of FROM moment) AND valid_from > coalesce(%(as_of)s::timestamptz, %(now)s::timestamptz, now())
       AND recorded_from_position <= %(known)s::bigint AND recorded_to_position > %(known)s::bigint
       AND (%(uid)s::uuid IS NULL OR entity_uid = %(uid)s::uuid)
       AND (%(after_uid)s::uuid IS NULL
            OR CASE WHEN %(backward)s::boolean
                    THEN (valid_from, entity_uid) <= (%(after_instant)s::timestamptz, %(after_uid)s::uuid)
                    ELSE (valid_from, entity_uid) >= (%(after_instant)s::timestamptz, %(after_uid)s::uuid) END)
     GROUP BY valid_from, entity_uid
     ORDER BY CASE WHEN NOT %(backward)s::boolean THEN valid_from END,
              CASE WHEN %(backward)s::boolean THEN valid_from END DESC,
              CASE WHEN NOT %(backward)s::boolean THEN entity_uid END,
              CASE WHEN %(backward)s::boolean THEN entity_uid END DESC
     LIMIT %(most)s::bigint)
    UNION
    (SELECT valid_to, entity_uid FROM entity_version_superseded
     WHERE valid_to > (SELECT as_of FROM moment) AND valid_to > coalesce(%(as_of)s::timestamptz, %(now)s::timestamptz, now())
       AND valid_to_known_position <= %(known)s::bigint AND recorded_to_position > %(known)s::bigint
       AND (%(uid)s::uuid IS NULL OR entity_uid = %(uid)s::uuid)
       AND (%(after_uid)s::uuid IS NULL
            OR CASE WHEN %(backward)s::boolean
                    THEN (valid_to, entity_uid) <= (%(after_instant)s::timestamptz, %(after_uid)s::uuid)
                    ELSE (valid_to, entity_uid) >= (%(after_instant)s::timestamptz, %(after_uid)s::uuid) END)
     GROUP BY valid_to, entity_uid
     ORDER BY CASE WHEN NOT %(backward)s::boolean THEN valid_to END,
              CASE WHEN %(backward)s::boolean THEN valid_to END DESC,
              CASE WHEN NOT %(backward)s::boolean THEN entity_uid END,
              CASE WHEN %(backward)s::boolean THEN entity_uid END DESC
     LIMIT %(most)s::bigint)
    UNION
    (SELECT valid_from, entity_uid FROM entity_detail_version_superseded
     WHERE valid_from > (SELECT as_of FROM moment) AND valid_from > coalesce(%(as_of)s::timestamptz, %(now)s::timestamptz, now())
       AND recorded_from_position <= %(known)s::bigint AND recorded_to_position > %(known)s::bigint
       AND (%(uid)s::uuid IS NULL OR entity_uid = %(uid)s::uuid)
       AND (%(after_uid)s::uuid IS NULL
            OR CASE WHEN %(backward)s::boolean
                    THEN (valid_from, entity_uid) <= (%(after_instant)s::timestamptz, %(after_uid)s::uuid)
                    ELSE (valid_from, entity_uid) >= (%(after_instant)s::timestamptz, %(after_uid)s::uuid) END)
     GROUP BY valid_from, entity_uid
     ORDER BY CASE WHEN NOT %(backward)s::boolean THEN valid_from END,
              CASE WHEN %(backward)s::boolean THEN valid_from END DESC,
              CASE WHEN NOT %(backward)s::boolean THEN entity_uid END,
              CASE WHEN %(backward)s::boolean THEN entity_uid END DESC
     LIMIT %(most)s::bigint)
    UNION
    (SELECT valid_to, entity_uid FROM entity_detail_version_superseded
     WHERE valid_to > (SELECT as_of FROM moment) AND valid_to > coalesce(%(as_of)s::timestamptz, %(now)s::timestamptz, now())
       AND valid_to_known_position <= %(known)s::bigint AND recorded_to_position > %(known)s::bigint
       AND (%(uid)s::uuid IS NULL OR entity_uid = %(uid)s::uuid)
       AND (%(after_uid)s::uuid IS NULL
            OR CASE WHEN %(backward)s::boolean
                    THEN (valid_to, entity_uid) <= (%(after_instant)s::timestamptz, %(after_uid)s::uuid)
                    ELSE (valid_to, entity_uid) >= (%(after_instant)s::timestamptz, %(after_uid)s::uuid) END)
     GROUP BY valid_to, entity_uid
     ORDER BY CASE WHEN NOT %(backward)s::boolean THEN valid_to END,
              CASE WHEN %(backward)s::boolean THEN valid_to END DESC,
              CASE WHEN NOT %(backward)s::boolean THEN entity_uid END,
              CASE WHEN %(backward)s::boolean THEN entity_uid END DESC
     LIMIT %(most)s::bigint)
), page AS (
    SELECT * FROM points
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
            WHERE a.valid_from > (SELECT as_of FROM moment)
              AND a.valid_from > coalesce(%(as_of)s::timestamptz, %(now)s::timestamptz, now()))
           + (SELECT 3 * count(*) FROM entity_ends a
              WHERE NOT EXISTS (
                  SELECT FROM entities b WHERE b.entity_uid = a.entity_uid AND b.valid_from = a.valid_to))
           + (SELECT count(*) FROM details a
              WHERE a.valid_from > (SELECT as_of FROM moment)
                AND a.valid_from > coalesce(%(as_of)s::timestamptz, %(now)s::timestamptz, now()))
           + (SELECT count(*) FROM detail_ends a
              WHERE NOT EXISTS (
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
