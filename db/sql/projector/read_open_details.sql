-- The open detail rows of some entities; called by projector/states.py.
SELECT id, entity_uid, detail_type, detail_value, hashdiff, valid_from, asserted_to, recorded_from_position,
       created_at, updated_at, actor
FROM entity_detail_version
WHERE entity_uid = ANY (%(uids)s::uuid[]) AND is_current
