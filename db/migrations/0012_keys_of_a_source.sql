-- All keys of one system, in the order of their claims.
CREATE INDEX external_key_by_source ON read_model.external_key (source, position);
