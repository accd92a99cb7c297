-- The indexes of first entries that the file before has built take the place of those of all entries, in a moment: no reader
-- waits for an index to be built. What was recorded when is found by halves.
DROP INDEX read_model.audit_entry_by_entity, read_model.audit_entry_by_actor, read_model.audit_entry_by_request,
    read_model.audit_entry_by_time;
ALTER INDEX read_model.audit_entry_by_entity_first RENAME TO audit_entry_by_entity;
ALTER INDEX read_model.audit_entry_by_actor_first RENAME TO audit_entry_by_actor;
ALTER INDEX read_model.audit_entry_by_request_first RENAME TO audit_entry_by_request;
