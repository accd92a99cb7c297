-- Add audit entries; called by projector/rows.py.
INSERT INTO audit_entry (
    audit_id, position, actor, recorded_at, entity_uid, table_name, operation, detail_code, before_value, after_value,
    request_id, ip_address, user_agent, event_id, reason
)
SELECT t.audit_id, t.position, t.actor, t.recorded_at, t.entity_uid, t.table_name, t.operation, t.detail_code,
       t.before_value::json, t.after_value::json, t.request_id, t.ip_address, t.user_agent,
       t.event_id, t.reason
FROM unnest(
    %(audit_id)s::bigint[], %(position)s::bigint[], %(actor)s::text[], %(recorded_at)s::timestamptz[],
    %(entity_uid)s::uuid[], %(table_name)s::text[], %(operation)s::text[], %(detail_code)s::text[],
    %(before_value)s::text[], %(after_value)s::text[], %(request_id)s::text[], %(ip_address)s::text[],
    %(user_agent)s::text[], %(event_id)s::uuid[], %(reason)s::text[]
) AS t (
    audit_id, position, actor, recorded_at, entity_uid, table_name, operation, detail_code, before_value, after_value,
    request_id, ip_address, user_agent, event_id, reason
)
