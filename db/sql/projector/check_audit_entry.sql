-- The audit entries of some entities, values as text; called by projector/verify.py.
SELECT audit_id, position, actor, recorded_at, entity_uid, table_name, operation, detail_code,
       before_value::text, after_value::text, request_id, ip_address, user_agent, event_id, reason
FROM audit_entry
WHERE entity_uid = ANY (%(uids)s::uuid[])
