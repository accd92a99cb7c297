-- The heads of some entities that are not retired; called by projector/states.py.
SELECT entity_uid, version, last_event_id, last_position, change_points, registered_at
FROM entity_head
WHERE entity_uid = ANY (%(uids)s::uuid[]) AND retired_at IS NULL
