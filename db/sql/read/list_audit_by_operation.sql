-- A page of the audit entries of one operation, newest first, up to a position where one is asked for; for ReadModel.audit.
-- It is planned anew for each question. What was recorded when is a range of entries, since events are recorded in the
-- order of their positions. Backwards it is the page before a key.
WITH reach AS MATERIALIZED (
    SELECT coalesce(first_entry_at(%(from)s::timestamptz), 0) AS first,
           least(first_entry_at(%(to)s::timestamptz), CASE WHEN %(known)s::bigint IS NOT NULL
                 THEN (least(%(known)s::bigint, position) + 1) * 65536 END, 9223372036854775807) AS upto
    FROM checkpoint WHERE name = 'read_model'
), found AS NOT MATERIALIZED (
    SELECT * FROM audit_entry
    WHERE operation = %(operation)s::text
      AND ((%(from)s::timestamptz IS NULL) OR audit_id >= (SELECT first FROM reach))
      AND ((%(to)s::timestamptz IS NULL AND %(known)s::bigint IS NULL) OR audit_id < (SELECT upto FROM reach))
), page AS (
    SELECT * FROM found
    WHERE %(after_number)s::bigint IS NULL
       OR CASE WHEN %(backward)s::boolean THEN audit_id > %(after_number)s::bigint
               ELSE audit_id < %(after_number)s::bigint END
    ORDER BY CASE WHEN NOT %(backward)s::boolean THEN audit_id END DESC,
             CASE WHEN %(backward)s::boolean THEN audit_id END
    LIMIT %(limit)s::bigint OFFSET %(offset)s::bigint
)
SELECT c.position, coalesce(%(as_of)s::timestamptz, %(now)s::timestamptz, greatest(now(), c.recorded_at, c.clock_at)) AS as_of,
       (SELECT ARRAY[count(DISTINCT stream), min(position)] FROM parked_event
        WHERE %(known)s::bigint IS NULL OR position <= %(known)s::bigint) AS parked,
       CASE WHEN %(counted)s::boolean THEN (SELECT count(*) FROM found) END AS count,
       page.audit_id, page.actor, page.recorded_at, page.entity_uid, page.table_name, page.operation, page.detail_code,
       page.before_value::text, page.after_value::text, page.request_id, page.ip_address, page.user_agent,
       page.position, page.event_id, page.reason
FROM checkpoint c
LEFT JOIN page ON true
WHERE c.name = 'read_model'
ORDER BY page.audit_id DESC
