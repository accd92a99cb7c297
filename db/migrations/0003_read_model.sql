-- The read model: what is known now, as plain SCD2. Written by the projector alone; dropped and rebuilt from the log at will.
CREATE EXTENSION IF NOT EXISTS btree_gist WITH SCHEMA public;
CREATE SCHEMA read_model;

CREATE TABLE read_model.checkpoint (
    name        text        PRIMARY KEY,
    position    bigint      NOT NULL,          -- the last one folded
    recorded_at timestamptz NOT NULL,          -- of that event: nothing that was read is later than it
    clock_at    timestamptz NOT NULL,          -- up to when is_current was brought
    retired     boolean     NOT NULL DEFAULT false
) WITH (fillfactor = 50);
INSERT INTO read_model.checkpoint VALUES ('read_model', 0, '-infinity', '-infinity');

-- One row an entity that was ever registered: what its ETag says, and since when it is retired.
CREATE TABLE read_model.entity_head (
    entity_uid    uuid        PRIMARY KEY,
    version       integer     NOT NULL,
    last_event_id uuid        NOT NULL,
    last_position bigint      NOT NULL,
    change_points integer     NOT NULL,
    registered_at timestamptz NOT NULL,        -- the start of its first existence
    retired_at    timestamptz
) WITH (fillfactor = 80);

CREATE TABLE read_model.entity_version (
    id                      bigint      PRIMARY KEY,
    entity_uid              uuid        NOT NULL,
    display_name            text        NOT NULL,
    entity_type             text        NOT NULL,
    hashdiff                text        NOT NULL,
    valid_from              timestamptz NOT NULL,
    valid_to                timestamptz,
    is_current              boolean     NOT NULL,
    asserted_to             timestamptz NOT NULL,
    recorded_from_position  bigint      NOT NULL,
    valid_to_known_position bigint,
    created_at              timestamptz NOT NULL,
    updated_at              timestamptz NOT NULL,
    actor                   text        NOT NULL,
    search_name             text        NOT NULL, -- display_name without case, the same on every server's locale
    CONSTRAINT entity_version_not_empty CHECK (valid_from < valid_to),
    CONSTRAINT entity_version_end_is_known CHECK ((valid_to IS NULL) = (valid_to_known_position IS NULL)),
    CONSTRAINT exclude_overlapping_entities EXCLUDE USING gist (
        entity_uid WITH =, tstzrange(valid_from, coalesce(valid_to, 'infinity'::timestamptz), '[)') WITH &&
    )
);
CREATE UNIQUE INDEX unique_current_entity ON read_model.entity_version (entity_uid) WHERE is_current;
CREATE INDEX entity_version_as_of ON read_model.entity_version (entity_uid, valid_from DESC)
    INCLUDE (valid_to, display_name, entity_type, hashdiff, id);
CREATE INDEX entity_version_current ON read_model.entity_version (valid_from DESC, entity_uid) WHERE is_current;
CREATE INDEX entity_version_current_by_type ON read_model.entity_version (entity_type, valid_from DESC, entity_uid)
    WHERE is_current;
CREATE INDEX entity_version_starts ON read_model.entity_version (valid_from, entity_uid);
CREATE INDEX entity_version_ends ON read_model.entity_version (valid_to, entity_uid) WHERE valid_to IS NOT NULL;

CREATE TABLE read_model.entity_detail_version (
    id                      bigint      PRIMARY KEY,
    entity_uid              uuid        NOT NULL,
    detail_type             text        NOT NULL,
    detail_value            text        NOT NULL,
    hashdiff                text        NOT NULL,
    valid_from              timestamptz NOT NULL,
    valid_to                timestamptz,
    is_current              boolean     NOT NULL,
    asserted_to             timestamptz NOT NULL,
    recorded_from_position  bigint      NOT NULL,
    valid_to_known_position bigint,
    created_at              timestamptz NOT NULL,
    updated_at              timestamptz NOT NULL,
    actor                   text        NOT NULL,
    CONSTRAINT entity_detail_version_not_empty CHECK (valid_from < valid_to),
    CONSTRAINT entity_detail_version_end_is_known CHECK ((valid_to IS NULL) = (valid_to_known_position IS NULL)),
    CONSTRAINT exclude_overlapping_entity_details EXCLUDE USING gist (
        entity_uid WITH =, detail_type WITH =,
        tstzrange(valid_from, coalesce(valid_to, 'infinity'::timestamptz), '[)') WITH &&
    )
);
CREATE UNIQUE INDEX unique_current_entity_detail ON read_model.entity_detail_version (entity_uid, detail_type)
    WHERE is_current;
CREATE INDEX entity_detail_version_as_of ON read_model.entity_detail_version (entity_uid, detail_type, valid_from DESC);
CREATE INDEX entity_detail_version_hash ON read_model.entity_detail_version (hashdiff) WHERE is_current;
CREATE INDEX entity_detail_version_starts ON read_model.entity_detail_version (valid_from, entity_uid);
CREATE INDEX entity_detail_version_ends ON read_model.entity_detail_version (valid_to, entity_uid)
    WHERE valid_to IS NOT NULL;

CREATE TABLE read_model.entity_type (
    code        text    COLLATE "C" PRIMARY KEY,
    name        text    NOT NULL,
    description text    NOT NULL,
    is_active   boolean NOT NULL
);
CREATE TABLE read_model.detail_type (LIKE read_model.entity_type INCLUDING ALL);

CREATE TABLE read_model.audit_entry (
    audit_id     bigint      PRIMARY KEY,
    position     bigint      NOT NULL,
    actor        text        NOT NULL,
    recorded_at  timestamptz NOT NULL,
    entity_uid   uuid        NOT NULL,
    table_name   text        NOT NULL CHECK (table_name IN ('entity', 'entity_detail')),
    operation    text        NOT NULL CHECK (operation IN ('INSERT', 'UPDATE', 'DELETE')),
    detail_code  text,
    before_value json,
    after_value  json,
    request_id   text        NOT NULL,
    ip_address   text,
    user_agent   text
);
CREATE INDEX audit_entry_by_entity ON read_model.audit_entry (entity_uid, audit_id DESC);
CREATE INDEX audit_entry_by_actor ON read_model.audit_entry (actor, audit_id DESC);
CREATE INDEX audit_entry_by_request ON read_model.audit_entry (request_id);
CREATE INDEX audit_entry_by_time ON read_model.audit_entry (recorded_at);

-- Events that could not be folded, with the later events of the same stream behind them.
CREATE TABLE read_model.parked_event (
    position  bigint PRIMARY KEY,
    stream    text   COLLATE "C" NOT NULL,
    reason    text   NOT NULL
);
CREATE INDEX parked_event_by_stream ON read_model.parked_event (stream);
