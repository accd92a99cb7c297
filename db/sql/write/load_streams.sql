-- The events of some streams, stream by stream; called by write_side/event_store.py.
SELECT position, event_id, stream, version, type, schema_version, effective_at,
       nullif(effective_until, 'infinity') AS effective_until, coalesce(effective_until = 'infinity', false) AS is_for_good,
       recorded_at, payload::text, metadata::text
FROM log.event
WHERE stream = ANY (%(streams)b::text[])
ORDER BY stream, version
