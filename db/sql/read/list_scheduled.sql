-- A page of the instants after as_of at which something of an entity begins or ends, as known at a position or latest, in
-- order, each with all rows that ever met there, and then the events that made and ended these; for ReadModel.scheduled. The
-- count is that of the fields that change. Backwards they are the last ones up to a key.
--
-- They are read in order from indexes. What has been superseded since is looked for where it was superseded, if that is
-- little; what was known early on, where it was recorded, since an index of instants has little of it.
WITH given AS MATERIALIZED (
    SELECT c.position, c.now, coalesce(%(as_of)s::timestamptz, c.now) AS as_of, c.recorded_at, c.has_parked,
           %(known)s::bigint AS known, least(coalesce(%(known)s::bigint, c.position), c.position) AS seen, %(uid)s::uuid AS uid,
           coalesce(%(known)s::bigint < c.position, false) AS is_past, %(counted)s::boolean AS counted,
           %(backward)s::boolean AS backward, %(most)s::bigint AS most, %(offset)s::bigint AS skipped,
           %(after_instant)s::timestamptz AS key_at, %(after_uid)s::uuid AS key_uid
    FROM (SELECT position, recorded_at, coalesce(%(now)s::timestamptz, greatest(now(), recorded_at, clock_at)),
                 EXISTS (SELECT FROM parked_event)
          FROM checkpoint WHERE name = 'read_model') c (position, recorded_at, now, has_parked)
), point AS MATERIALIZED ( -- by when it was recorded what was known, and how much has been superseded since
    SELECT g.*, g.as_of + interval '1 microsecond' AS start,
           coalesce(CASE WHEN g.is_past THEN (
               SELECT e.recorded_at FROM audit_entry e WHERE e.audit_id < (g.seen + 1) * 65536
               ORDER BY e.audit_id DESC LIMIT 1) ELSE g.recorded_at END, '-infinity') AS recorded_by,
           CASE WHEN g.is_past THEN (
               SELECT count(*) FROM (
                   SELECT FROM entity_version_superseded s WHERE s.recorded_to_position > g.seen
                   UNION ALL
                   SELECT FROM entity_detail_version_superseded s WHERE s.recorded_to_position > g.seen
                   LIMIT 5000) later) ELSE 0 END AS later
    FROM given g
), bounded AS MATERIALIZED (
    SELECT p.*, p.later >= 5000 AS with_superseded,
           CASE WHEN NOT p.backward AND p.key_at >= p.start THEN p.key_at ELSE p.start END AS low,
           CASE WHEN NOT p.backward AND p.key_at >= p.start THEN p.key_uid
                ELSE '00000000-0000-0000-0000-000000000000' END AS low_uid,
           coalesce(CASE WHEN p.backward THEN p.key_at END, 'infinity') AS high,
           coalesce(CASE WHEN p.backward THEN p.key_uid END, 'ffffffff-ffff-ffff-ffff-ffffffffffff') AS high_uid
    FROM point p
), asked AS MATERIALIZED ( -- an event takes as long as ten of the turns that may have to be passed: the marks tell of these
    SELECT b.*, CASE WHEN b.uid IS NOT NULL THEN 'one'
                     WHEN b.is_past AND b.seen < 20000 AND 10 * b.seen < (
                         SELECT coalesce(sum(greatest(m.turns, abs(m.net))), 0) FROM count_mark m
                         WHERE m.entity_type = '' AND m.upto > b.low AND m.upto <= least(b.high, b.recorded_by)) THEN 'early'
                     WHEN b.backward THEN 'backward' ELSE 'forward' END AS way
    FROM bounded b
), page AS MATERIALIZED (
    SELECT t.at, t.entity_uid
    FROM asked a
    CROSS JOIN LATERAL (
        SELECT t.at, t.entity_uid
        FROM turns_from(a.low, a.low_uid, a.seen, a.recorded_by, a.with_superseded, a.most) t WHERE a.way = 'forward'
        UNION ALL
        SELECT t.at, t.entity_uid
        FROM turns_up_to(a.low, a.high, a.high_uid, a.seen, a.recorded_by, a.with_superseded, a.most) t
        WHERE a.way = 'backward'
        UNION ALL
        SELECT t.at, t.entity_uid FROM turns_superseded_since(a.seen) t
        WHERE a.later BETWEEN 1 AND 4999 AND a.way IN ('forward', 'backward')
        UNION ALL
        SELECT t.at, t.entity_uid FROM turns_recorded_until(a.seen) t WHERE a.way = 'early'
        UNION ALL
        SELECT t.at, t.entity_uid FROM turns_of(a.uid, a.seen) t WHERE a.way = 'one'
    ) t
    WHERE (t.at, t.entity_uid) >= (a.low, a.low_uid) AND (t.at, t.entity_uid) <= (a.high, a.high_uid)
    GROUP BY t.at, t.entity_uid
    ORDER BY CASE WHEN NOT (SELECT backward FROM asked) THEN t.at END,
             CASE WHEN (SELECT backward FROM asked) THEN t.at END DESC,
             CASE WHEN NOT (SELECT backward FROM asked) THEN t.entity_uid END,
             CASE WHEN (SELECT backward FROM asked) THEN t.entity_uid END DESC
    LIMIT (SELECT most FROM asked)
), crowd AS MATERIALIZED ( -- whether all that is to come is little, where it is counted
    SELECT CASE WHEN NOT a.counted THEN NULL WHEN a.way IN ('one', 'early') THEN true
                ELSE turns_are_few(a.start, a.recorded_by, a.is_past) END AS is_few
    FROM asked a
), change AS MATERIALIZED ( -- how many fields change: of all to come, or up to the end of a page that is not the first one
    SELECT c.at, c.entity_uid, sum(c.fields)::bigint AS fields
    FROM (SELECT t.at, t.entity_uid,
                 CASE WHEN t.detail_type IS NOT NULL THEN 1
                      WHEN count(*) = 1 THEN 3
                      ELSE (min(t.value COLLATE "C") <> max(t.value COLLATE "C"))::integer
                           + (min(t.entity_type COLLATE "C") <> max(t.entity_type COLLATE "C"))::integer END AS fields
          FROM asked a
          CROSS JOIN crowd
          CROSS JOIN LATERAL (
              SELECT t.* FROM turns_of(a.uid, a.seen) t WHERE a.way = 'one' AND t.at >= a.start
              UNION ALL
              SELECT t.* FROM turns_recorded_until(a.seen) t WHERE a.way = 'early' AND t.at >= a.start
              UNION ALL
              SELECT t.*
              FROM turns_seen(a.start, CASE WHEN crowd.is_few THEN 'infinity' ELSE (SELECT max(at) FROM page) END,
                              a.seen, a.recorded_by, a.is_past) t
              WHERE a.way IN ('forward', 'backward')
          ) t
          WHERE crowd.is_few OR a.skipped > 0
          GROUP BY t.at, t.entity_uid, t.detail_type) c
    GROUP BY c.at, c.entity_uid
), counted AS MATERIALIZED (
    SELECT CASE WHEN NOT a.counted THEN NULL
                WHEN crowd.is_few THEN (SELECT coalesce(sum(fields), 0) FROM change)
                WHEN NOT a.is_past THEN changes_from(a.start)
                ELSE changes_known_from(a.start, a.seen) END::bigint AS count
    FROM asked a, crowd
), shown AS MATERIALIZED (
    SELECT p.at, p.entity_uid, 0 AS passed FROM asked a, page p WHERE a.skipped = 0
    UNION ALL
    SELECT c.at, c.entity_uid, c.passed
    FROM asked a,
         (SELECT at, entity_uid, fields, sum(fields) OVER (ORDER BY at, entity_uid) - fields AS passed FROM change) c
    WHERE a.skipped > 0 AND c.passed + c.fields > a.skipped AND c.passed < a.most
), belief AS MATERIALIZED (
    SELECT page.at AS instant, e.entity_uid, r.*
    FROM asked a
    CROSS JOIN (SELECT entity_uid, array_agg(at) AS instants FROM shown GROUP BY entity_uid) e
    CROSS JOIN LATERAL rows_of(e.entity_uid) r
    CROSS JOIN LATERAL unnest(e.instants) AS page (at)
    WHERE (r.valid_from = page.at OR r.valid_to = page.at) AND r.recorded_from_position <= a.seen
)
SELECT a.position, a.as_of,
       CASE WHEN NOT a.has_parked THEN ARRAY[0, NULL]::bigint[]
            ELSE (SELECT ARRAY[count(DISTINCT stream), min(position)] FROM parked_event
                  WHERE (a.uid IS NULL OR stream = 'entity:' || a.uid::text)
                    AND (a.known IS NULL OR position <= a.known)) END AS parked,
       (SELECT count FROM counted) AS count,
       (SELECT coalesce(min(passed), 0) FROM shown)::bigint AS passed,
       found.*
FROM asked a
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
