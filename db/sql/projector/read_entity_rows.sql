-- All entity rows of some entities that are known now, in the order of valid time; called by projector/states.py.
SELECT id, entity_uid, display_name, entity_type, hashdiff, valid_from, valid_to, asserted_to, recorded_from_position,
       valid_to_known_position, created_at, updated_at, actor
FROM entity_version
WHERE entity_uid = ANY (%(uids)b::uuid[])
ORDER BY entity_uid, valid_from
