-- A page of the entities that differ between two points, by uid, with the rows that this hangs on and the events that
-- made and ended them, and how many there are; for ReadModel.diff. Backwards it is the page before a key.
--
-- Candidates have a row that begins or ends in the window of valid time, or an audit entry in that of positions. Where they
-- are many (the marks tell about how many turns there are), a page needs few of them: entities are looked at as they come,
-- one look-up of each index an entity, until the page is full. Where they are few, those that come first are picked out of
-- the window. Only where either does not fill the page are all the candidates behind sorted. Which of them differ is told by
-- content. A count between positions looks at all of them: then the page is taken from those that were found to differ.
WITH asked AS MATERIALIZED ( -- what is asked is data to the planner: no plan hangs on a value
    SELECT c.position, c.instant AS as_of, %(known)s::bigint AS known,
           coalesce(%(from)s::timestamptz, c.instant) AS start,
           coalesce(%(to)s::timestamptz, CASE WHEN %(from)s::timestamptz IS NULL THEN c.instant END, 'infinity') AS until,
           coalesce(%(known)s::bigint, c.position) AS known_to,
           coalesce(%(known_from)s::bigint, %(known)s::bigint, c.position) AS known_from,
           coalesce(%(known)s::bigint < c.position, false) AS is_earlier, -- something may have been superseded since
           %(mode)s::text = 'changes' AND %(known_from)s::bigint IS NULL
               AND coalesce(%(known)s::bigint >= c.position, true) AS is_told, -- by rows of today each candidate has a step
           %(first_entry)s::bigint AS first_entry, %(end_of_entries)s::bigint AS end_of_entries,
           %(mode)s::text AS mode, %(mode)s::text <> 'knowledge' AND %(from)s::timestamptz IS NOT NULL AS has_turns,
           %(backward)s::boolean AS backward, %(after_uid)s::uuid AS after,
           coalesce(CASE WHEN NOT %(backward)s::boolean THEN %(after_uid)s::uuid END, '00000000-0000-0000-0000-000000000000')
               AS lowest,
           coalesce(CASE WHEN %(backward)s::boolean THEN %(after_uid)s::uuid END, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
               AS highest,
           %(counted)s::boolean AS counted, %(counted)s::boolean AND %(first_entry)s::bigint IS NOT NULL AS is_whole,
           %(limit)s::bigint AS length, %(offset)s::bigint AS skipped,
           %(limit)s::bigint + %(offset)s::bigint AS wanted
    FROM (SELECT position, coalesce(%(as_of)s::timestamptz, %(now)s::timestamptz, greatest(now(), recorded_at, clock_at))
          FROM checkpoint WHERE name = 'read_model') c (position, instant)
), crowd AS MATERIALIZED (  -- about how many turns there are, and how many entities are looked at first
    SELECT is_many, turns, turns > 0.4 * versions AND versions > 0 AS is_long,
           greatest(8 * wanted, CASE WHEN is_many THEN greatest(turns / 3, 3 * entities * wanted / turns) END)::bigint AS most
    FROM (SELECT t.*, turns * turns > 10 * entities * wanted AS is_many, entities, versions
          FROM (SELECT a.wanted,
                       CASE WHEN a.has_turns THEN (
                           SELECT coalesce(sum(greatest(m.turns, abs(m.net))), 0) FROM count_mark m
                           WHERE m.entity_type = '' AND m.upto > a.start AND m.upto <= a.until) ELSE 0 END
                       * least(a.known_to::float8 / greatest(a.position, 1), 1)
                       + a.known_to - a.known_from AS turns
                FROM asked a OFFSET 0) t,
               (SELECT greatest(reltuples, 0)::float8 AS entities FROM pg_class WHERE oid = 'entity_head'::regclass) h,
               (SELECT reltuples AS versions FROM pg_class WHERE oid = 'entity_version'::regclass) v
          OFFSET 0) c
), candidate AS NOT MATERIALIZED (
    SELECT t.entity_uid FROM asked a, turns_between(a.start, a.until) t WHERE a.has_turns
    UNION ALL
    SELECT t.entity_uid FROM asked a, superseded_turns_between(a.start, a.until) t WHERE a.has_turns AND a.is_earlier
    UNION ALL
    SELECT e.entity_uid FROM asked a, audit_entry e WHERE e.audit_id >= a.first_entry AND e.audit_id < a.end_of_entries
), whole AS MATERIALIZED ( -- all that differ, in order: so the look-ups go along their indexes
    SELECT o.entity_uid
    FROM (SELECT c.entity_uid FROM candidate c WHERE (SELECT is_whole FROM asked)
          GROUP BY c.entity_uid ORDER BY c.entity_uid OFFSET 0) o
    WHERE (SELECT d.is_there
           FROM asked a, difference_of(o.entity_uid, a.mode, a.start, a.until, a.known_from, a.known_to) d)
), head AS MATERIALIZED (  -- what is looked at first, in order: of many as they come, of few the first candidates
    (SELECT entity_uid FROM entity_head
     WHERE (SELECT is_many FROM crowd) AND NOT (SELECT backward FROM asked)
       AND entity_uid >= (SELECT lowest FROM asked)
     ORDER BY entity_uid)
    UNION ALL
    (SELECT entity_uid FROM entity_head
     WHERE (SELECT is_many FROM crowd) AND (SELECT backward FROM asked)
       AND entity_uid <= (SELECT highest FROM asked)
     ORDER BY entity_uid DESC)
    UNION ALL
    (SELECT c.entity_uid FROM (SELECT entity_uid FROM candidate OFFSET 0) c
     WHERE NOT (SELECT is_many FROM crowd)
       AND c.entity_uid >= (SELECT lowest FROM asked) AND c.entity_uid <= (SELECT highest FROM asked)
     ORDER BY CASE WHEN NOT (SELECT backward FROM asked) THEN c.entity_uid END,
              CASE WHEN (SELECT backward FROM asked) THEN c.entity_uid END DESC
     LIMIT (SELECT most FROM crowd))
    LIMIT (SELECT CASE WHEN NOT is_whole THEN most ELSE 0 END FROM asked, crowd)
), rest AS MATERIALIZED ( -- which candidates are left: those behind, none where there were no more
    SELECT h.entity_uid AS after, CASE WHEN a.backward THEN a.lowest ELSE h.entity_uid END AS lowest,
           CASE WHEN NOT a.backward THEN a.highest ELSE h.entity_uid END AS highest
    FROM asked a, (SELECT entity_uid FROM head OFFSET (SELECT most - 1 FROM crowd) LIMIT 1) h
), page AS MATERIALIZED (
    (SELECT o.entity_uid
     FROM (
        (SELECT h.entity_uid
         FROM (SELECT entity_uid, lag(entity_uid, 1, (SELECT after FROM asked)) OVER () AS before FROM head) h
         WHERE h.entity_uid IS DISTINCT FROM h.before
           AND ((SELECT has_turns FROM asked) AND (
                EXISTS (
                    SELECT FROM entity_version v, asked a
                    WHERE v.entity_uid = h.entity_uid
                      AND (v.valid_from > a.start AND v.valid_from <= a.until OR v.valid_to > a.start AND v.valid_to <= a.until)
                    OFFSET 0)
                OR EXISTS (
                    SELECT FROM entity_detail_version v, asked a
                    WHERE v.entity_uid = h.entity_uid
                      AND (v.valid_from > a.start AND v.valid_from <= a.until OR v.valid_to > a.start AND v.valid_to <= a.until)
                    OFFSET 0)
                OR (SELECT is_earlier FROM asked) AND (
                    EXISTS (
                        SELECT FROM entity_version_superseded v, asked a
                        WHERE v.entity_uid = h.entity_uid
                          AND (v.valid_from > a.start AND v.valid_from <= a.until
                               OR v.valid_to > a.start AND v.valid_to <= a.until)
                        OFFSET 0)
                    OR EXISTS (
                        SELECT FROM entity_detail_version_superseded v, asked a
                        WHERE v.entity_uid = h.entity_uid
                          AND (v.valid_from > a.start AND v.valid_from <= a.until
                               OR v.valid_to > a.start AND v.valid_to <= a.until)
                        OFFSET 0)))
                OR (SELECT first_entry IS NOT NULL FROM asked) AND EXISTS (
                    SELECT FROM audit_entry e, asked a
                    WHERE e.entity_uid = h.entity_uid AND e.audit_id & 65535 = 0 -- as its index has the first of an event
                      AND e.audit_id >= a.first_entry AND e.audit_id < a.end_of_entries
                    OFFSET 0)))
        UNION ALL
        (SELECT c.entity_uid FROM (SELECT entity_uid FROM candidate OFFSET 0) c
         WHERE EXISTS (SELECT FROM rest) -- told before any candidate is read
           AND c.entity_uid >= (SELECT lowest FROM rest) AND c.entity_uid <= (SELECT highest FROM rest)
           AND c.entity_uid IS DISTINCT FROM (SELECT after FROM rest)
         GROUP BY c.entity_uid
         ORDER BY CASE WHEN NOT (SELECT backward FROM asked) THEN c.entity_uid END,
                  CASE WHEN (SELECT backward FROM asked) THEN c.entity_uid END DESC)
     ) o
     WHERE (SELECT is_told FROM asked)
        OR (SELECT d.is_there
            FROM asked a, difference_of(o.entity_uid, a.mode, a.start, a.until, a.known_from, a.known_to) d))
    UNION ALL
    (SELECT w.entity_uid FROM whole w
     WHERE w.entity_uid >= (SELECT lowest FROM asked) AND w.entity_uid <= (SELECT highest FROM asked)
       AND w.entity_uid IS DISTINCT FROM (SELECT after FROM asked)
     ORDER BY CASE WHEN NOT (SELECT backward FROM asked) THEN w.entity_uid END,
              CASE WHEN (SELECT backward FROM asked) THEN w.entity_uid END DESC)
    OFFSET (SELECT skipped FROM asked) LIMIT (SELECT length FROM asked)
), belief AS MATERIALIZED (
    SELECT page.entity_uid, r.*
    FROM asked a
    CROSS JOIN unnest(ARRAY(SELECT entity_uid FROM page)) AS page (entity_uid) -- planned for few
    CROSS JOIN LATERAL rows_of(page.entity_uid) r
    WHERE r.recorded_from_position <= a.known_to AND r.valid_from <= a.until
      AND (r.valid_to IS NULL OR r.valid_to > a.start OR r.valid_to_known_position > a.known_from)
), differing AS MATERIALIZED (
    SELECT CASE WHEN NOT a.counted THEN NULL
                WHEN a.first_entry IS NOT NULL THEN (SELECT count(*) FROM whole)
                WHEN a.is_earlier AND c.turns < 12 * (a.position - a.known) -- to look at each entity since then takes longer
                THEN differing_known_between(a.mode, a.start, a.until, a.known)
                ELSE CASE WHEN c.is_long THEN differing_in_order(a.mode, a.start, a.until)
                          ELSE differing_between(a.mode, a.start, a.until) END
                     + CASE WHEN a.is_earlier THEN differing_before(a.mode, a.start, a.until, a.known, a.position) ELSE 0 END
                END AS count
    FROM asked a, crowd c
)
SELECT a.position, a.as_of,
       (SELECT ARRAY[count(DISTINCT stream), min(position)] FROM parked_event
        WHERE (SELECT known IS NULL FROM asked) OR position <= (SELECT known FROM asked)) AS parked,
       (SELECT count FROM differing) AS count,
       found.*
FROM asked a
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
