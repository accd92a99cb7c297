-- The last position the read model has, up to when all that was recorded is in it (the first year of the calendar while
-- nobody knows), up to when what fell due is current in it, and the last position of the log; read by db/waiting.py after
-- every hint, and while somebody waits.
SELECT position, greatest(settled_at, recorded_at, '0001-01-01Z'::timestamptz), clock_at,
       coalesce((SELECT e.position FROM log.event e ORDER BY e.position DESC LIMIT 1), 0)
FROM checkpoint WHERE name = 'read_model'
