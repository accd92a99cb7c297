-- A page of the audit trail, newest first, up to a position where one is asked for; for ReadModel.audit. It is planned
-- anew for each question, so a filter that is NULL costs nothing and the others find their index. Events are recorded in
-- the order of their positions, so what was recorded when is a range of entries. Backwards it is the page before a key.
WITH found AS NOT MATERIALIZED (
    SELECT * FROM audit_entry
    WHERE (%(uid)s::uuid IS NULL OR entity_uid = %(uid)s::uuid)
      AND (%(actor)s::text IS NULL OR actor = %(actor)s::text)
      AND (%(operation)s::text IS NULL OR operation = %(operation)s::text)
      AND (%(request_id)s::text IS NULL OR request_id = %(request_id)s::text)
      AND (%(from)s::timestamptz IS NULL OR audit_id >= (
          SELECT e.audit_id FROM audit_entry e WHERE e.recorded_at >= %(from)s::timestamptz
          ORDER BY e.recorded_at, e.audit_id LIMIT 1))
      AND (%(to)s::timestamptz IS NULL OR audit_id < coalesce((
          SELECT e.audit_id FROM audit_entry e WHERE e.recorded_at >= %(to)s::timestamptz
          ORDER BY e.recorded_at, e.audit_id LIMIT 1), 9223372036854775807))
      AND (%(known)s::bigint IS NULL OR audit_id < (SELECT least(%(known)s::bigint, position) + 1 FROM checkpoint
                                                    WHERE name = 'read_model') * 65536)
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
        WHERE (%(uid)s::uuid IS NULL OR stream = 'entity:' || %(uid)s::uuid::text)
          AND (%(known)s::bigint IS NULL OR position <= %(known)s::bigint)) AS parked,
       CASE WHEN %(counted)s::boolean THEN (SELECT count(*) FROM found) END AS count,
       page.audit_id, page.actor, page.recorded_at, page.entity_uid, page.table_name, page.operation, page.detail_code,
       page.before_value::text, page.after_value::text, page.request_id, page.ip_address, page.user_agent,
       page.position, page.event_id, page.reason
FROM checkpoint c
LEFT JOIN page ON true
WHERE c.name = 'read_model'
ORDER BY page.audit_id DESC
