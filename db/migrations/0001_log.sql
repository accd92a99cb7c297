-- The event log: immutable, one total order, tamper-evident; and the receipts of commands that carried a key.
CREATE SCHEMA log;

CREATE TABLE log.event (
    position         bigint      NOT NULL,
    event_id         uuid        NOT NULL,
    stream           text        COLLATE "C" NOT NULL,
    version          integer     NOT NULL CHECK (version >= 1),
    type             text        NOT NULL,
    schema_version   smallint    NOT NULL,
    effective_at     timestamptz NOT NULL,
    effective_until  timestamptz CHECK (effective_until > effective_at),
    recorded_at      timestamptz NOT NULL,
    payload          json,                 -- the exact text that payload_digest covers
    salt             bytea,
    payload_digest   bytea       NOT NULL,
    link             bytea       NOT NULL,
    command_id       uuid        NOT NULL,
    ordinal          smallint    NOT NULL,
    metadata         json        NOT NULL,
    CONSTRAINT event_position PRIMARY KEY (position),
    CONSTRAINT event_stream_version UNIQUE (stream, version),
    CONSTRAINT event_command_ordinal UNIQUE (command_id, ordinal)
);
COMMENT ON TABLE log.event IS 'What happened, in the order of its positions: gapless, appended only by log.append_events.';

CREATE TABLE log.command_receipt (
    key            bytea       PRIMARY KEY, -- digest of (user, method, path, Idempotency-Key), or of the content
    request_digest bytea       NOT NULL,
    stream         text        COLLATE "C" NOT NULL,
    version        integer     NOT NULL,    -- of the stream, after the command
    status         smallint    NOT NULL,
    position       bigint      NOT NULL,    -- of the command's event; of the head where it appended none
    event_id       uuid,                    -- of the command's event, where it appended one
    recorded_at    timestamptz NOT NULL
);
COMMENT ON TABLE log.command_receipt IS 'What was answered to a request that may be repeated: never a body.';

CREATE FUNCTION log.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the event log is immutable: % refused', TG_OP USING ERRCODE = 'CK002';
END $$;

CREATE TRIGGER event_is_immutable BEFORE UPDATE OR DELETE ON log.event
    FOR EACH ROW EXECUTE FUNCTION log.refuse_change();
CREATE TRIGGER event_is_not_truncated BEFORE TRUNCATE ON log.event
    FOR EACH STATEMENT EXECUTE FUNCTION log.refuse_change();
ALTER TABLE log.event ENABLE ALWAYS TRIGGER event_is_immutable;
ALTER TABLE log.event ENABLE ALWAYS TRIGGER event_is_not_truncated;
