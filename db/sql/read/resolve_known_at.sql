-- Which position an instant stands for: exact once nothing can be recorded at or before it any more; for
-- Snapshots.position_of.
SELECT c.position,
       %(known_at)s::timestamptz > greatest(now(), c.recorded_at, c.settled_at) AS is_future,
       %(known_at)s::timestamptz <= greatest(c.recorded_at, c.settled_at) AS is_settled,
       log.position_at(%(known_at)s::timestamptz)
FROM checkpoint c
WHERE c.name = 'read_model'
