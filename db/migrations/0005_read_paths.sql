-- Questions find their rows by B-tree, also those about the past.

-- The planner takes a look-up through an exclusion constraint's GiST index to be cheaper than one through a B-tree; it is
-- dearer. A condition that is true of every row, and that no question repeats, leaves it to guard.
ALTER TABLE read_model.entity_version
    ADD CONSTRAINT entity_version_id_is_positive CHECK (id > 0),
    DROP CONSTRAINT exclude_overlapping_entities,
    ADD CONSTRAINT exclude_overlapping_entities EXCLUDE USING gist (
        entity_uid WITH =, tstzrange(valid_from, coalesce(valid_to, 'infinity'::timestamptz), '[)') WITH &&
    ) WHERE (id > 0);
ALTER TABLE read_model.entity_detail_version
    ADD CONSTRAINT entity_detail_version_id_is_positive CHECK (id > 0),
    DROP CONSTRAINT exclude_overlapping_entity_details,
    ADD CONSTRAINT exclude_overlapping_entity_details EXCLUDE USING gist (
        entity_uid WITH =, detail_type WITH =,
        tstzrange(valid_from, coalesce(valid_to, 'infinity'::timestamptz), '[)') WITH &&
    ) WHERE (id > 0);

-- Who has a value is asked of the past, too: with the current rows alone, that read every detail there ever was.
DROP INDEX read_model.entity_detail_version_hash;
CREATE INDEX entity_detail_version_hash ON read_model.entity_detail_version (hashdiff);
