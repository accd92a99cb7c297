-- The rows of some entities in entity_detail_version; called by projector/verify.py.
SELECT * FROM entity_detail_version WHERE entity_uid = ANY (%(uids)s::uuid[])
