-- How far the read model is, up to when what fell due is current in it, and when the first event was recorded that it has
-- had since a position (NULL where there is none); for Feed.clock.
SELECT c.position, c.clock_at, (SELECT e.recorded_at FROM log.event e
                                WHERE e.position = %(seen)s::bigint + 1 AND e.position <= c.position)
FROM checkpoint c
WHERE c.name = 'read_model'
