-- The events of one stream after a version, up to another, and later ones that skip an earlier event; called by
-- write_side/event_store.py.
SELECT position, event_id, stream, version, type, schema_version, effective_at,
       nullif(effective_until, 'infinity') AS effective_until, coalesce(effective_until = 'infinity', false) AS is_for_good,
       recorded_at, payload::text, metadata::text
FROM log.event
WHERE stream = %(stream)s::text AND version > %(after)s::integer
  AND (version <= %(up_to)s::integer OR type = 'EventSkipped')
ORDER BY version
