-- When the event at a position was recorded, or the last one before it; for Feed.recorded_at.
SELECT recorded_at FROM log.event WHERE position <= %(position)s::bigint ORDER BY position DESC LIMIT 1
