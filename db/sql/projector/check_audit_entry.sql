-- The audit entries of the events of some entities, values as text; called by projector/verify.py.
SELECT a.*
FROM log.event e
CROSS JOIN LATERAL (
    SELECT audit_id, position, actor, recorded_at, entity_uid, table_name, operation, detail_code,
           before_value::text, after_value::text, request_id, ip_address, user_agent, event_id, reason
    FROM audit_entry
    WHERE audit_id >= e.position * 65536 AND audit_id < (e.position + 1) * 65536
    OFFSET 0 -- one look-up an event
) a
WHERE e.stream = ANY (ARRAY(SELECT 'entity:' || uid FROM unnest(%(uids)s::uuid[]) AS t (uid)))
