-- The next instant at which a row begins or ceases to be current, in how many seconds, and whether settled_at is of some
-- time ago; called by projector/clock.py. What ends without being current begins before that.
SELECT due.due_at, extract(epoch FROM due.due_at - clock_timestamp())::float8,
       c.settled_at < clock_timestamp() - interval '1 minute'
FROM checkpoint c,
     LATERAL (SELECT least(
         (SELECT min(valid_from) FROM entity_version WHERE valid_from > c.clock_at),
         (SELECT min(valid_to) FROM entity_version WHERE valid_to > c.clock_at),
         (SELECT min(valid_from) FROM entity_detail_version WHERE valid_from > c.clock_at),
         (SELECT min(valid_to) FROM entity_detail_version WHERE valid_to > c.clock_at)
     ) AS due_at) AS due
WHERE c.name = 'read_model'
