-- The rows of some entities in entity_detail_version_superseded; called by projector/verify.py.
SELECT * FROM entity_detail_version_superseded WHERE entity_uid = ANY (%(uids)s::uuid[])
