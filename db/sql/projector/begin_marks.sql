-- Have the marks of the counts set for a new set of tables, as the first statement on entities and audit entries does,
-- whatever it changes; called by projector/rebuild.py.
WITH audit AS (UPDATE read_model_next.audit_entry SET audit_id = audit_id WHERE false)
UPDATE read_model_next.entity_version SET is_current = is_current WHERE false
