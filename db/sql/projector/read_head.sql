-- The last position of the log; called by projector/sets.py.
SELECT coalesce((SELECT position FROM log.event ORDER BY position DESC LIMIT 1), 0)
