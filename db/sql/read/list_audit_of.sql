-- A page of the audit entries by several filters, or of an actor or a request, newest first, up to a position where one is
-- asked for; for ReadModel.audit. It is planned anew for each question, so a filter that is NULL costs nothing and the
-- others find their index. That has the first entry of each event: the others are behind it in the primary key, and looked
-- for there event by event. Where an operation is asked for, events may have none, and for a count all are looked at: where
-- they are many in what lies between the first and the last, that is looked through. Backwards it is the page before a key.
WITH reach AS MATERIALIZED (
    SELECT first_entry_at(%(from)s::timestamptz) AS first,
           least(first_entry_at(%(to)s::timestamptz), CASE WHEN %(known)s::bigint IS NOT NULL
                 THEN (least(%(known)s::bigint, position) + 1) * 65536 END) AS upto
    FROM checkpoint WHERE name = 'read_model'
), entry AS NOT MATERIALIZED (
    SELECT audit_id, operation FROM audit_entry
    WHERE (%(uid)s::uuid IS NULL OR entity_uid = %(uid)s::uuid)
      AND (%(actor)s::text IS NULL OR actor = %(actor)s::text)
      AND (%(request_id)s::text IS NULL OR request_id = %(request_id)s::text)
      AND (%(from)s::timestamptz IS NULL OR audit_id >= (SELECT first FROM reach))
      AND ((%(to)s::timestamptz IS NULL AND %(known)s::bigint IS NULL) OR audit_id < (SELECT upto FROM reach))
), event AS NOT MATERIALIZED (
    SELECT audit_id AS first FROM entry WHERE audit_id & 65535 = 0
), span AS MATERIALIZED ( -- from the oldest of the events to the newest
    SELECT min(first) AS first, max(first) + 65536 AS upto FROM event
), few AS MATERIALIZED ( -- to look for the entries of so many takes as long as to look through all of it
    SELECT coalesce((entries_before(upto) - entries_before(first)) / 40, 0) AS events FROM span
), more AS MATERIALIZED (
    SELECT (SELECT count(*) FROM (SELECT FROM event LIMIT 501) e) > 500
       AND (SELECT count(*) FROM (SELECT FROM event LIMIT (SELECT events + 1 FROM few)) e) > (SELECT events FROM few) AS than_few
), walked AS MATERIALIZED ( -- the page and all before it, event by event
    SELECT audit_id
    FROM (SELECT first FROM event
          WHERE %(after_number)s::bigint IS NULL
             OR CASE WHEN %(backward)s::boolean THEN first >= (%(after_number)s::bigint >> 16) << 16
                     ELSE first < %(after_number)s::bigint END
          ORDER BY CASE WHEN NOT %(backward)s::boolean THEN first END DESC,
                   CASE WHEN %(backward)s::boolean THEN first END
          LIMIT CASE WHEN %(operation)s::text IS NULL THEN %(limit)s::bigint + %(offset)s::bigint + 1
                     WHEN (SELECT than_few FROM more) THEN 500 END) e
    CROSS JOIN LATERAL (
        SELECT audit_id FROM audit_entry
        WHERE audit_id >= e.first AND audit_id < e.first + 65536
          AND (%(operation)s::text IS NULL OR operation = %(operation)s::text)
        ORDER BY audit_id OFFSET 0) a -- one look-up an event
    WHERE %(after_number)s::bigint IS NULL
       OR CASE WHEN %(backward)s::boolean THEN audit_id > %(after_number)s::bigint
               ELSE audit_id < %(after_number)s::bigint END
    ORDER BY CASE WHEN NOT %(backward)s::boolean THEN first END DESC,
             CASE WHEN %(backward)s::boolean THEN first END,
             CASE WHEN NOT %(backward)s::boolean THEN audit_id END DESC,
             CASE WHEN %(backward)s::boolean THEN audit_id END
    LIMIT %(limit)s::bigint + %(offset)s::bigint
), rest AS MATERIALIZED ( -- whether the page may go on behind what was looked at
    SELECT %(operation)s::text IS NOT NULL AND (SELECT count(*) FROM walked) < %(limit)s::bigint + %(offset)s::bigint
       AND (SELECT than_few FROM more) AS is_wanted
), page AS (
    (SELECT audit_id FROM walked
     WHERE NOT (SELECT is_wanted FROM rest)
     ORDER BY CASE WHEN NOT %(backward)s::boolean THEN audit_id END DESC,
              CASE WHEN %(backward)s::boolean THEN audit_id END
     LIMIT %(limit)s::bigint OFFSET %(offset)s::bigint)
    UNION ALL
    (SELECT audit_id FROM entry
     WHERE (SELECT is_wanted FROM rest) AND operation = %(operation)s::text
       AND audit_id >= (SELECT first FROM span) AND audit_id < (SELECT upto FROM span)
       AND (%(after_number)s::bigint IS NULL
            OR CASE WHEN %(backward)s::boolean THEN audit_id > %(after_number)s::bigint
                    ELSE audit_id < %(after_number)s::bigint END)
     ORDER BY CASE WHEN NOT %(backward)s::boolean THEN audit_id END DESC,
              CASE WHEN %(backward)s::boolean THEN audit_id END
     LIMIT %(limit)s::bigint OFFSET %(offset)s::bigint)
)
SELECT c.position, coalesce(%(as_of)s::timestamptz, %(now)s::timestamptz, greatest(now(), c.recorded_at, c.clock_at)) AS as_of,
       (SELECT ARRAY[count(DISTINCT stream), min(position)] FROM parked_event
        WHERE (%(uid)s::uuid IS NULL OR stream = 'entity:' || %(uid)s::uuid::text)
          AND (%(known)s::bigint IS NULL OR position <= %(known)s::bigint)) AS parked,
       CASE WHEN %(counted)s::boolean THEN
           CASE WHEN (SELECT than_few FROM more)
                THEN (SELECT count(*) FROM entry
                      WHERE (%(operation)s::text IS NULL OR operation = %(operation)s::text)
                        AND audit_id >= (SELECT first FROM span) AND audit_id < (SELECT upto FROM span))
                ELSE (SELECT count(*) FROM event
                      CROSS JOIN LATERAL (
                          SELECT FROM audit_entry
                          WHERE audit_id >= event.first AND audit_id < event.first + 65536
                            AND (%(operation)s::text IS NULL OR operation = %(operation)s::text) OFFSET 0) a)
           END END AS count,
       e.audit_id, e.actor, e.recorded_at, e.entity_uid, e.table_name, e.operation, e.detail_code,
       e.before_value::text, e.after_value::text, e.request_id, e.ip_address, e.user_agent,
       e.position, e.event_id, e.reason
FROM checkpoint c
LEFT JOIN (SELECT a.* FROM page JOIN audit_entry a USING (audit_id)) e ON true
WHERE c.name = 'read_model'
ORDER BY e.audit_id DESC
