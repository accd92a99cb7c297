-- The point that a question about now is answered at; for Snapshots.pin.
SELECT position, greatest(now(), recorded_at, clock_at) AS now,
       (SELECT ARRAY[count(DISTINCT stream), min(position)] FROM parked_event) AS parked
FROM checkpoint WHERE name = 'read_model'
