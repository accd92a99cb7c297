-- The fence where nothing but time went on: it fails, as move_checkpoint does, when another projector was here; called by
-- projector/batch.py.
WITH moved AS (
    UPDATE checkpoint
    SET clock_at = greatest(clock_at, now())
    WHERE name = 'read_model' AND position = %(expected)s::bigint AND generation = %(generation)s::bigint AND NOT retired
    RETURNING clock_at
)
SELECT min(clock_at) FROM moved HAVING 1 / count(*) = 1
