-- Every event of an entity has an audit entry, also one that changed no row: who did what, and why, is always told.
INSERT INTO read_model.audit_entry (
    audit_id, position, actor, recorded_at, entity_uid, table_name, operation, request_id, ip_address, user_agent,
    event_id, reason
)
SELECT e.position * 65536, e.position, e.metadata ->> 'actor', e.recorded_at, substr(e.stream, 8)::uuid,
       'entity', 'UPDATE', e.metadata ->> 'request_id', e.payload -> 'context' ->> 'ip_address',
       e.payload -> 'context' ->> 'user_agent', e.event_id, e.payload -> 'context' ->> 'reason'
FROM log.event e
WHERE e.stream LIKE 'entity:%'
  AND e.position <= (SELECT position FROM read_model.checkpoint WHERE name = 'read_model')
  AND NOT EXISTS (SELECT FROM read_model.parked_event p WHERE p.position = e.position)
  AND NOT EXISTS (SELECT FROM read_model.audit_entry a WHERE a.audit_id = e.position * 65536);
