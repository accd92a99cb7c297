-- The last event of the log, and that of each of some streams, NULL where it has none; called by
-- write_side/event_store.py.
SELECT l.position, l.recorded_at, t.stream, h.event_id, h.version
FROM (SELECT position, recorded_at FROM log.event ORDER BY position DESC LIMIT 1) l
CROSS JOIN unnest(%(streams)b::text[]) t (stream)
LEFT JOIN LATERAL (
    SELECT event_id, version FROM log.event e WHERE e.stream = t.stream ORDER BY version DESC LIMIT 1
) h ON true
