-- Every event up to a position, stream by stream; called by projector/verify.py, through a cursor of the server.
SELECT position, event_id, stream, version, type, schema_version, effective_at,
       nullif(effective_until, 'infinity') AS effective_until, coalesce(effective_until = 'infinity', false) AS is_for_good,
       recorded_at, payload::text, metadata::text
FROM log.event
WHERE position <= %(up_to)s::bigint
ORDER BY stream, version
