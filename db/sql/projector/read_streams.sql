-- All events of some streams up to a position: the slow path folds them again; called by projector/states.py.
SELECT position, event_id, stream, version, type, schema_version, effective_at,
       nullif(effective_until, 'infinity') AS effective_until, coalesce(effective_until = 'infinity', false) AS is_for_good,
       recorded_at, payload::text, metadata::text
FROM log.event
WHERE stream = ANY (%(streams)b::text[]) AND position <= %(up_to)s::bigint
ORDER BY stream, version
