-- A page of the entities that differ between two points, by uid, with the rows that this hangs on and the events that
-- made and ended them; for ReadModel.diff. It is planned anew for each question. Backwards it is the page before a key.
--
-- Candidates have a row that begins or ends in the window of valid time, or an audit entry in that of positions: the
-- cost follows the changes. Where there are many in a window of valid time (the marks tell about how many), a page needs few
-- of them: then those near its key are looked at in their order, and all candidates only where these do not fill it.
-- Those that do differ are told by content, one condition a mode:
-- net:       what was believed at both points;
-- changes:   rows that begin or end in the window, or what began to be believed of its start against what ceased to be;
-- knowledge: what was believed of the window at both positions.
-- How many differ in a window of valid time is told by sets: whatever only has rows that begin, or only such that end,
-- differs; of the others what stood at its two ends is compared.
WITH moment AS MATERIALIZED (
    SELECT position, instant AS as_of,
           coalesce(%(from)s::timestamptz, instant) AS start,
           coalesce(%(to)s::timestamptz, CASE WHEN %(from)s::timestamptz IS NULL THEN instant END, 'infinity') AS until,
           coalesce(%(known)s::bigint, position) AS known_to,
           coalesce(%(known_from)s::bigint, %(known)s::bigint, position) AS known_from
    FROM (SELECT position, coalesce(%(as_of)s::timestamptz, %(now)s::timestamptz, greatest(now(), recorded_at, clock_at))
          FROM checkpoint WHERE name = 'read_model') c (position, instant)
), turned AS (
    SELECT entity_uid FROM entity_version
    WHERE valid_from > %(from)s::timestamptz AND valid_from <= %(to)s::timestamptz
    UNION
    SELECT entity_uid FROM entity_version
    WHERE valid_to > %(from)s::timestamptz AND valid_to <= %(to)s::timestamptz
    UNION
    SELECT entity_uid FROM entity_detail_version
    WHERE valid_from > %(from)s::timestamptz AND valid_from <= %(to)s::timestamptz
    UNION
    SELECT entity_uid FROM entity_detail_version
    WHERE valid_to > %(from)s::timestamptz AND valid_to <= %(to)s::timestamptz
    UNION
    SELECT entity_uid FROM entity_version_superseded
    WHERE valid_from > %(from)s::timestamptz AND valid_from <= %(to)s::timestamptz AND %(known)s::bigint IS NOT NULL
    UNION
    SELECT entity_uid FROM entity_version_superseded
    WHERE valid_to > %(from)s::timestamptz AND valid_to <= %(to)s::timestamptz AND %(known)s::bigint IS NOT NULL
    UNION
    SELECT entity_uid FROM entity_detail_version_superseded
    WHERE valid_from > %(from)s::timestamptz AND valid_from <= %(to)s::timestamptz AND %(known)s::bigint IS NOT NULL
    UNION
    SELECT entity_uid FROM entity_detail_version_superseded
    WHERE valid_to > %(from)s::timestamptz AND valid_to <= %(to)s::timestamptz AND %(known)s::bigint IS NOT NULL
), crowd AS MATERIALIZED (  -- how many entities are looked at in their order, at most: many changes soon fill a page
    SELECT CASE WHEN %(mode)s::text <> 'knowledge' AND %(known_from)s::bigint IS NULL
                     AND turns * turns > 10 * entities * (%(limit)s::bigint + %(offset)s::bigint)
                THEN greatest(8 * entities / turns, 2) * (%(limit)s::bigint + %(offset)s::bigint) ELSE 0 END::bigint AS most
    FROM (SELECT sum(greatest(turns, abs(net)))
                 * (SELECT least(known_to::float8 / greatest(position, 1), 1) FROM moment) AS turns
          FROM count_mark WHERE entity_type = '' AND upto > %(from)s::timestamptz AND upto <= %(to)s::timestamptz) m,
         (SELECT greatest(reltuples, 0)::float8 AS entities FROM pg_class WHERE oid = 'entity_head'::regclass) c
), near AS MATERIALIZED (  -- with a row that begins or ends in the window
    SELECT h.entity_uid
    FROM (
        SELECT entity_uid FROM entity_head
        WHERE %(after_uid)s::uuid IS NULL
           OR CASE WHEN %(backward)s::boolean THEN entity_uid < %(after_uid)s::uuid ELSE entity_uid > %(after_uid)s::uuid END
        ORDER BY CASE WHEN NOT %(backward)s::boolean THEN entity_uid END,
                 CASE WHEN %(backward)s::boolean THEN entity_uid END DESC
        LIMIT (SELECT most FROM crowd)
    ) h
    WHERE EXISTS (
          SELECT FROM entity_version v
          WHERE v.entity_uid = h.entity_uid
            AND (v.valid_from > %(from)s::timestamptz AND v.valid_from <= %(to)s::timestamptz
                 AND (%(known)s::bigint IS NULL OR v.recorded_from_position <= %(known)s::bigint)
                 OR v.valid_to > %(from)s::timestamptz AND v.valid_to <= %(to)s::timestamptz
                 AND (%(known)s::bigint IS NULL OR v.valid_to_known_position <= %(known)s::bigint))
          OFFSET 0) -- one look-up an entity
       OR EXISTS (
          SELECT FROM entity_detail_version v
          WHERE v.entity_uid = h.entity_uid
            AND (v.valid_from > %(from)s::timestamptz AND v.valid_from <= %(to)s::timestamptz
                 AND (%(known)s::bigint IS NULL OR v.recorded_from_position <= %(known)s::bigint)
                 OR v.valid_to > %(from)s::timestamptz AND v.valid_to <= %(to)s::timestamptz
                 AND (%(known)s::bigint IS NULL OR v.valid_to_known_position <= %(known)s::bigint))
          OFFSET 0)
       OR EXISTS (
          SELECT FROM entity_version_superseded v
          WHERE v.entity_uid = h.entity_uid
            AND v.recorded_from_position <= %(known)s::bigint AND v.recorded_to_position > %(known)s::bigint
            AND (v.valid_from > %(from)s::timestamptz AND v.valid_from <= %(to)s::timestamptz
                 OR v.valid_to > %(from)s::timestamptz AND v.valid_to <= %(to)s::timestamptz
                 AND v.valid_to_known_position <= %(known)s::bigint)
          OFFSET 0)
       OR EXISTS (
          SELECT FROM entity_detail_version_superseded v
          WHERE v.entity_uid = h.entity_uid
            AND v.recorded_from_position <= %(known)s::bigint AND v.recorded_to_position > %(known)s::bigint
            AND (v.valid_from > %(from)s::timestamptz AND v.valid_from <= %(to)s::timestamptz
                 OR v.valid_to > %(from)s::timestamptz AND v.valid_to <= %(to)s::timestamptz
                 AND v.valid_to_known_position <= %(known)s::bigint)
          OFFSET 0)
    LIMIT 2 * (%(limit)s::bigint + %(offset)s::bigint) -- some may not differ in the end
), last AS MATERIALIZED (
    SELECT entity_uid FROM near
    WHERE (SELECT count(*) FROM near) >= %(limit)s::bigint + %(offset)s::bigint
    ORDER BY CASE WHEN NOT %(backward)s::boolean THEN entity_uid END DESC,
             CASE WHEN %(backward)s::boolean THEN entity_uid END
    LIMIT 1
), candidate AS (
    SELECT entity_uid FROM turned WHERE %(mode)s::text <> 'knowledge'
    UNION
    SELECT entity_uid FROM audit_entry
    WHERE audit_id >= %(first_entry)s::bigint AND audit_id < %(end_of_entries)s::bigint
), differing AS MATERIALIZED (  -- in order, one branch after the other: no more are looked at than the page takes
    SELECT o.entity_uid
    FROM (
        (SELECT entity_uid FROM near WHERE EXISTS (SELECT FROM last))
        UNION ALL
        (SELECT entity_uid FROM candidate  -- all of them, or those behind should one of the near not differ in the end
         WHERE NOT EXISTS (SELECT FROM last)
            OR CASE WHEN %(backward)s::boolean THEN entity_uid < (SELECT entity_uid FROM last)
                    ELSE entity_uid > (SELECT entity_uid FROM last) END
         ORDER BY CASE WHEN NOT %(backward)s::boolean THEN entity_uid END,
                  CASE WHEN %(backward)s::boolean THEN entity_uid END DESC)
    ) o
    WHERE ((%(counted)s::boolean AND %(known_from)s::bigint IS NOT NULL)
           OR %(after_uid)s::uuid IS NULL
           OR CASE WHEN %(backward)s::boolean THEN entity_uid < %(after_uid)s::uuid
                   ELSE entity_uid > %(after_uid)s::uuid END)
      AND ((%(mode)s::text = 'changes' AND %(known)s::bigint IS NULL) -- a candidate by rows of today has a step in them
        OR (SELECT CASE %(mode)s::text
               WHEN 'net' THEN
                   array_agg(r.hashdiff ORDER BY r.hashdiff) FILTER (
                       WHERE r.valid_from <= m.start AND r.recorded_from_position <= m.known_from
                         AND (r.recorded_to_position IS NULL OR r.recorded_to_position > m.known_from)
                         AND (r.valid_to IS NULL OR r.valid_to > m.start OR r.valid_to_known_position > m.known_from))
                   IS DISTINCT FROM
                   array_agg(r.hashdiff ORDER BY r.hashdiff) FILTER (
                       WHERE r.valid_from <= m.until
                         AND (r.recorded_to_position IS NULL OR r.recorded_to_position > m.known_to)
                         AND (r.valid_to IS NULL OR r.valid_to > m.until OR r.valid_to_known_position > m.known_to))
               WHEN 'changes' THEN
                   coalesce(bool_or(
                       (r.recorded_to_position IS NULL OR r.recorded_to_position > m.known_to)
                       AND (r.valid_from > m.start
                            OR (r.valid_to > m.start AND r.valid_to <= m.until AND r.valid_to_known_position <= m.known_to))
                   ), false)
                   OR array_agg(r.recorded_from_position || ' ' || r.hashdiff
                                ORDER BY r.recorded_from_position, r.hashdiff) FILTER (
                       WHERE r.valid_from <= m.start AND r.recorded_from_position > m.known_from
                         AND (r.valid_to IS NULL OR r.valid_to > m.start
                              OR r.valid_to_known_position > r.recorded_from_position))
                   IS DISTINCT FROM
                   array_agg(r.ceased || ' ' || r.hashdiff ORDER BY r.ceased, r.hashdiff) FILTER (
                       WHERE r.valid_from <= m.start AND r.ceased > m.known_from AND r.ceased <= m.known_to
                         AND r.ceased > r.recorded_from_position)
               WHEN 'knowledge' THEN
                   array_agg(r.hashdiff || ' ' || greatest(r.valid_from, m.start) || ' ' || least(r.shown_before, m.until)
                             ORDER BY r.hashdiff, r.valid_from) FILTER (
                       WHERE r.valid_from < m.until AND r.recorded_from_position <= m.known_from
                         AND (r.recorded_to_position IS NULL OR r.recorded_to_position > m.known_from)
                         AND r.shown_before > m.start)
                   IS DISTINCT FROM
                   array_agg(r.hashdiff || ' ' || greatest(r.valid_from, m.start) || ' ' || least(r.shown_after, m.until)
                             ORDER BY r.hashdiff, r.valid_from) FILTER (
                       WHERE r.valid_from < m.until
                         AND (r.recorded_to_position IS NULL OR r.recorded_to_position > m.known_to)
                         AND r.shown_after > m.start)
           END
           FROM moment m
           CROSS JOIN LATERAL (
               SELECT r.*,
                      least(r.recorded_to_position,
                            CASE WHEN r.valid_to <= m.start THEN r.valid_to_known_position END) AS ceased,
                      CASE WHEN r.valid_to_known_position <= m.known_from THEN r.valid_to ELSE 'infinity' END AS shown_before,
                      CASE WHEN r.valid_to_known_position <= m.known_to THEN r.valid_to ELSE 'infinity' END AS shown_after
               FROM rows_of(o.entity_uid) r
               WHERE r.recorded_from_position <= m.known_to AND r.valid_from <= m.until
                 AND (r.valid_to IS NULL OR r.valid_to > m.start OR r.valid_to_known_position > m.known_from)
           ) r))
    LIMIT CASE WHEN NOT %(counted)s::boolean OR %(known_from)s::bigint IS NULL
               THEN %(limit)s::bigint + %(offset)s::bigint END
), page AS (
    SELECT entity_uid FROM differing
    WHERE %(after_uid)s::uuid IS NULL
       OR CASE WHEN %(backward)s::boolean THEN entity_uid < %(after_uid)s::uuid ELSE entity_uid > %(after_uid)s::uuid END
    ORDER BY CASE WHEN NOT %(backward)s::boolean THEN entity_uid END,
             CASE WHEN %(backward)s::boolean THEN entity_uid END DESC
    LIMIT %(limit)s::bigint OFFSET %(offset)s::bigint
), belief AS MATERIALIZED (
    SELECT page.entity_uid, r.*
    FROM moment m
    CROSS JOIN page
    CROSS JOIN LATERAL rows_of(page.entity_uid) r
    WHERE r.recorded_from_position <= m.known_to AND r.valid_from <= m.until
      AND (r.valid_to IS NULL OR r.valid_to > m.start OR r.valid_to_known_position > m.known_from)
)
SELECT m.position, m.as_of,
       (SELECT ARRAY[count(DISTINCT stream), min(position)] FROM parked_event
        WHERE (%(known)s::bigint IS NULL OR position <= %(known)s::bigint)) AS parked,
       CASE WHEN NOT %(counted)s::boolean THEN NULL
            WHEN %(known_from)s::bigint IS NOT NULL THEN (SELECT count(*) FROM differing)
            ELSE (
                SELECT count(*)
                FROM (
                    SELECT entity_uid, bool_or(is_end) AND NOT bool_and(is_end) AS is_both
                    FROM (
                        SELECT entity_uid, false AS is_end FROM entity_version
                        WHERE valid_from > %(from)s::timestamptz AND valid_from <= %(to)s::timestamptz
                          AND (%(known)s::bigint IS NULL OR recorded_from_position <= %(known)s::bigint)
                        UNION ALL
                        SELECT entity_uid, true FROM entity_version
                        WHERE valid_to > %(from)s::timestamptz AND valid_to <= %(to)s::timestamptz
                          AND (%(known)s::bigint IS NULL OR valid_to_known_position <= %(known)s::bigint)
                        UNION ALL
                        SELECT entity_uid, false FROM entity_detail_version
                        WHERE valid_from > %(from)s::timestamptz AND valid_from <= %(to)s::timestamptz
                          AND (%(known)s::bigint IS NULL OR recorded_from_position <= %(known)s::bigint)
                        UNION ALL
                        SELECT entity_uid, true FROM entity_detail_version
                        WHERE valid_to > %(from)s::timestamptz AND valid_to <= %(to)s::timestamptz
                          AND (%(known)s::bigint IS NULL OR valid_to_known_position <= %(known)s::bigint)
                        UNION ALL
                        SELECT entity_uid, false FROM entity_version_superseded
                        WHERE valid_from > %(from)s::timestamptz AND valid_from <= %(to)s::timestamptz
                          AND recorded_from_position <= %(known)s::bigint AND recorded_to_position > %(known)s::bigint
                        UNION ALL
                        SELECT entity_uid, true FROM entity_version_superseded
                        WHERE valid_to > %(from)s::timestamptz AND valid_to <= %(to)s::timestamptz
                          AND valid_to_known_position <= %(known)s::bigint AND recorded_to_position > %(known)s::bigint
                        UNION ALL
                        SELECT entity_uid, false FROM entity_detail_version_superseded
                        WHERE valid_from > %(from)s::timestamptz AND valid_from <= %(to)s::timestamptz
                          AND recorded_from_position <= %(known)s::bigint AND recorded_to_position > %(known)s::bigint
                        UNION ALL
                        SELECT entity_uid, true FROM entity_detail_version_superseded
                        WHERE valid_to > %(from)s::timestamptz AND valid_to <= %(to)s::timestamptz
                          AND valid_to_known_position <= %(known)s::bigint AND recorded_to_position > %(known)s::bigint
                    ) t
                    GROUP BY entity_uid ORDER BY entity_uid OFFSET 0 -- in order: so the look-ups go along their indexes
                ) c
                WHERE NOT c.is_both OR %(mode)s::text = 'changes'
                   OR (SELECT max(v.hashdiff) FILTER (
                                  WHERE v.valid_from <= %(from)s::timestamptz
                                    AND (v.valid_to IS NULL OR v.valid_to > %(from)s::timestamptz))
                              IS DISTINCT FROM
                              max(v.hashdiff) FILTER (
                                  WHERE v.valid_to IS NULL OR v.valid_to > %(to)s::timestamptz)
                       FROM entity_version_known(%(known)s::bigint) v
                       WHERE v.entity_uid = c.entity_uid AND v.valid_from <= %(to)s::timestamptz)
                   OR (SELECT array_agg(v.hashdiff ORDER BY v.detail_type) FILTER (
                                  WHERE v.valid_from <= %(from)s::timestamptz
                                    AND (v.valid_to IS NULL OR v.valid_to > %(from)s::timestamptz))
                              IS DISTINCT FROM
                              array_agg(v.hashdiff ORDER BY v.detail_type) FILTER (
                                  WHERE v.valid_to IS NULL OR v.valid_to > %(to)s::timestamptz)
                       FROM entity_detail_version_known(%(known)s::bigint) v
                       WHERE v.entity_uid = c.entity_uid AND v.valid_from <= %(to)s::timestamptz)
            ) END AS count, found.*
FROM moment m
LEFT JOIN (
    SELECT entity_uid, detail_type, value, entity_type, valid_from, valid_to,
           recorded_from_position, valid_to_known_position, recorded_to_position,
           NULL::uuid AS event_id, NULL::text AS actor, NULL::text AS reason, NULL::timestamptz AS recorded_at
    FROM belief
    UNION ALL
    SELECT NULL, NULL, NULL, NULL, NULL, NULL, a.position, NULL, NULL, a.event_id, a.actor, a.reason, a.recorded_at
    FROM (SELECT recorded_from_position FROM belief
          UNION SELECT valid_to_known_position FROM belief
          UNION SELECT recorded_to_position FROM belief) e (position)
    JOIN audit_entry a ON a.audit_id = e.position * 65536
) found ON true
ORDER BY found.entity_uid
