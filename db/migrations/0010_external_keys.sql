-- What other systems call an entity; and a generation of the tables, for who changes them beside the fold.

-- How often rows were changed otherwise than by folding on: a projector that finds another number begins anew.
ALTER TABLE read_model.checkpoint ADD COLUMN generation bigint NOT NULL DEFAULT 0;

CREATE TABLE read_model.external_key (
    position    bigint      PRIMARY KEY,       -- of the claim
    source      text        COLLATE "C" NOT NULL,
    external_id text        COLLATE "C" NOT NULL,
    entity_uid  uuid        NOT NULL,
    event_id    uuid        NOT NULL,
    recorded_at timestamptz NOT NULL,
    actor       text        NOT NULL,
    CONSTRAINT external_key_is_unique UNIQUE (external_id, source)
);
CREATE INDEX external_key_by_entity ON read_model.external_key (entity_uid, source, external_id);
