-- The events of some streams, of each those after a version and up to another, and later ones that skip an earlier event;
-- stream by stream in the order asked, `number` says which; called by write_side/event_store.py.
SELECT event.*, asked.number
FROM unnest((SELECT %(streams)b::text[]), (SELECT %(afters)b::integer[]), (SELECT %(up_tos)b::integer[]))
     WITH ORDINALITY AS asked (stream, after, up_to, number) -- hidden: no plan hangs on a value
CROSS JOIN LATERAL (
    SELECT position, event_id, stream, version, type, schema_version, effective_at,
           nullif(effective_until, 'infinity') AS effective_until, coalesce(effective_until = 'infinity', false) AS is_for_good,
           recorded_at, payload::text, metadata::text
    FROM log.event
    WHERE stream = asked.stream AND version > asked.after AND (version <= asked.up_to OR type = 'EventSkipped')
    ORDER BY version
) AS event
ORDER BY asked.number, event.version
