-- What was recorded ahead of the instant it begins or ends at is found by that instant, for the notices of the feed: few
-- rows are, so these indexes are small.
CREATE INDEX entity_version_starts_ahead ON read_model.entity_version (valid_from, entity_uid)
    WHERE created_at < valid_from;
CREATE INDEX entity_version_ends_ahead ON read_model.entity_version (valid_to, entity_uid)
    WHERE updated_at < valid_to;
CREATE INDEX entity_detail_version_starts_ahead ON read_model.entity_detail_version (valid_from, entity_uid)
    WHERE created_at < valid_from;
CREATE INDEX entity_detail_version_ends_ahead ON read_model.entity_detail_version (valid_to, entity_uid)
    WHERE updated_at < valid_to;
CREATE INDEX entity_version_superseded_starts_ahead ON read_model.entity_version_superseded (valid_from, entity_uid)
    WHERE created_at < valid_from;
CREATE INDEX entity_version_superseded_ends_ahead ON read_model.entity_version_superseded (valid_to, entity_uid)
    WHERE updated_at < valid_to;
CREATE INDEX entity_detail_version_superseded_starts_ahead
    ON read_model.entity_detail_version_superseded (valid_from, entity_uid) WHERE created_at < valid_from;
CREATE INDEX entity_detail_version_superseded_ends_ahead
    ON read_model.entity_detail_version_superseded (valid_to, entity_uid) WHERE updated_at < valid_to;
