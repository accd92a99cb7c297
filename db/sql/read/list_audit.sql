-- A page of the audit trail, newest first; for ReadModel.audit. It is planned anew for each question, so a filter that
-- is NULL costs nothing and the others find their index.
WITH found AS NOT MATERIALIZED (
    SELECT * FROM audit_entry
    WHERE (%(uid)s::uuid IS NULL OR entity_uid = %(uid)s::uuid)
      AND (%(actor)s::text IS NULL OR actor = %(actor)s::text)
      AND (%(operation)s::text IS NULL OR operation = %(operation)s::text)
      AND (%(request_id)s::text IS NULL OR request_id = %(request_id)s::text)
      AND (%(from)s::timestamptz IS NULL OR recorded_at >= %(from)s::timestamptz)
      AND (%(to)s::timestamptz IS NULL OR recorded_at < %(to)s::timestamptz)
), page AS (
    SELECT * FROM found ORDER BY audit_id DESC LIMIT %(limit)s::bigint OFFSET %(offset)s::bigint
)
SELECT c.position, coalesce(%(as_of)s::timestamptz, greatest(now(), c.recorded_at)) AS as_of,
       CASE WHEN %(counted)s::boolean THEN (SELECT count(*) FROM found) END AS count,
       page.audit_id, page.actor, page.recorded_at, page.entity_uid, page.table_name, page.operation, page.detail_code,
       page.before_value::text, page.after_value::text, page.request_id, page.ip_address, page.user_agent, page.position
FROM checkpoint c
LEFT JOIN page ON true
WHERE c.name = 'read_model'
ORDER BY page.audit_id DESC
