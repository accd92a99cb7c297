-- Add audit entries; called by projector/rows.py.
INSERT INTO audit_entry (
    audit_id, position, actor, recorded_at, entity_uid, table_name, operation, detail_code, before_value, after_value,
    request_id, ip_address, user_agent, event_id, reason
)
SELECT t.audit_id, t.position, t.actor, t.recorded_at, t.entity_uid, t.table_name, t.operation, t.detail_code,
       t.before_value::json, t.after_value::json, t.request_id, t.ip_address, t.user_agent,
       t.event_id, t.reason
FROM unnest(
    %(audit_id)b::bigint[], %(position)b::bigint[], %(actor)b::text[], %(recorded_at)b::timestamptz[],
    %(entity_uid)b::uuid[], %(table_name)b::text[], %(operation)b::text[], %(detail_code)b::text[],
    %(before_value)b::text[], %(after_value)b::text[], %(request_id)b::text[], %(ip_address)b::text[],
    %(user_agent)b::text[], %(event_id)b::uuid[], %(reason)b::text[]
) AS t (
    audit_id, position, actor, recorded_at, entity_uid, table_name, operation, detail_code, before_value, after_value,
    request_id, ip_address, user_agent, event_id, reason
)
