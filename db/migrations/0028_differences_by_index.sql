-- The index that 0028_differences has built takes the place of the one before, in a moment.
DROP INDEX read_model.entity_detail_version_as_of;
ALTER INDEX read_model.entity_detail_version_as_of_covering RENAME TO entity_detail_version_as_of;

-- No statement is under way any more that began before 0025_counts_in_a_statement: two files since then built indexes.
DROP FUNCTION read_model.entities_known_at_before, read_model.entities_at_before;
