-- The point that a question about now is answered at; for Snapshots.pin.
SELECT position, greatest(now(), recorded_at, clock_at) AS now FROM checkpoint WHERE name = 'read_model'
