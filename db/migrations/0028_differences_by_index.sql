-- The index that 0028_differences has built takes the place of the one before, in a moment.
DROP INDEX read_model.entity_detail_version_as_of;
ALTER INDEX read_model.entity_detail_version_as_of_covering RENAME TO entity_detail_version_as_of;
