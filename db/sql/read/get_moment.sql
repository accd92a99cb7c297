-- The point that a question about now is answered at; for Snapshots.pin.
SELECT c.position, coalesce(%(as_of)s::timestamptz, greatest(now(), c.recorded_at, c.clock_at)) AS as_of
FROM checkpoint c
WHERE c.name = 'read_model'
