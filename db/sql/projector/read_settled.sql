-- Up to when the log is known for good, NULL where it does not end at this position; called by projector/clock.py, in a
-- transaction of its own, which holds the append lock.
SELECT log.settled_at(%(position)s::bigint)
