-- The next events up to a position, stream by stream, after one version of one stream; called by projector/loading.py.
SELECT position, event_id, stream, version, type, schema_version, effective_at,
       nullif(effective_until, 'infinity') AS effective_until, coalesce(effective_until = 'infinity', false) AS is_for_good,
       recorded_at, payload::text, metadata::text
FROM log.event
WHERE (stream, version) > (%(stream)s::text, %(version)s::integer) AND position <= %(up_to)s::bigint
ORDER BY stream, version
LIMIT %(limit)s::integer
