-- The last position of the log; called by projector/rebuild.py.
SELECT coalesce((SELECT position FROM log.event ORDER BY position DESC LIMIT 1), 0)
