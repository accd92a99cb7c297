-- The rows of some entities in entity_head; called by projector/verify.py.
SELECT * FROM entity_head WHERE entity_uid = ANY (%(uids)s::uuid[])
