-- The next events of the log in the order of their positions; called by projector/batch.py.
SELECT position, event_id, stream, version, type, schema_version, effective_at,
       nullif(effective_until, 'infinity') AS effective_until, coalesce(effective_until = 'infinity', false) AS is_for_good,
       recorded_at, payload::text, metadata::text
FROM log.event
WHERE position > %(after)s::bigint
ORDER BY position
LIMIT %(limit)s::integer
