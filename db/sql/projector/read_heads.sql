-- The heads of some entities; called by projector/states.py.
SELECT entity_uid, version, last_event_id, last_position, change_points, registered_at, schedule
FROM entity_head
WHERE entity_uid = ANY (%(uids)b::uuid[])
