-- The first audit entry of no event of its entity, or of one that is parked; called by projector/verify.py where there are
-- more entries than the events have.
SELECT audit_id FROM audit_entry a
WHERE NOT EXISTS (SELECT FROM log.event e WHERE e.position = a.audit_id >> 16 AND e.stream = 'entity:' || a.entity_uid)
   OR a.audit_id >> 16 IN (SELECT position FROM parked_event)
ORDER BY 1
LIMIT 1
