-- Where the live set stands, and what the log says of that; called by projector/verify.py.
SELECT c.position, c.clock_at, nullif(c.recorded_at, '-infinity') AS recorded_at, c.retired,
       coalesce((SELECT position FROM log.event ORDER BY position DESC LIMIT 1), 0) AS head,
       (SELECT recorded_at FROM log.event e WHERE e.position = c.position) AS was_recorded_at
FROM checkpoint c WHERE c.name = 'read_model'
