-- Events as they were recorded elsewhere; called by db/log_import.py, which proves them before it commits.
COPY log.event (
    position, event_id, stream, version, type, schema_version, effective_at, effective_until, recorded_at, payload, salt,
    payload_digest, link, command_id, ordinal, metadata
) FROM STDIN
