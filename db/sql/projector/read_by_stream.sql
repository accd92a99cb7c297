-- Every event up to a position, stream by stream; called by projector/verify.py, through a cursor of the server.
SELECT position, event_id, stream, version, type, schema_version, effective_at, effective_until, recorded_at,
       payload::text, metadata::text
FROM log.event
WHERE position <= %(up_to)s::bigint
ORDER BY stream, version
