-- The rows of some entities in entity_version; called by projector/verify.py.
SELECT * FROM entity_version WHERE entity_uid = ANY (%(uids)s::uuid[])
