-- All events of some streams up to a position: the slow path folds them again; called by projector/states.py.
SELECT position, event_id, stream, version, type, schema_version, effective_at, effective_until, recorded_at,
       payload::text, metadata::text
FROM log.event
WHERE stream = ANY (%(streams)s::text[]) AND position <= %(up_to)s::bigint
ORDER BY stream, version
