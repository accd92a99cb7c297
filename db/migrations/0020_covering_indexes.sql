-- The indexes that 0019 has built take the place of those before, in a moment: no reader waits for an index to be built.
DROP INDEX read_model.entity_version_current, read_model.entity_version_current_by_type, read_model.entity_version_starts,
    read_model.entity_version_superseded_starts;
ALTER INDEX read_model.entity_version_current_covering RENAME TO entity_version_current;
ALTER INDEX read_model.entity_version_current_by_type_covering RENAME TO entity_version_current_by_type;
ALTER INDEX read_model.entity_version_starts_covering RENAME TO entity_version_starts;
ALTER INDEX read_model.entity_version_superseded_starts_covering RENAME TO entity_version_superseded_starts;
