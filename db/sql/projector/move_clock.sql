-- The fence where nothing but time went on: it moves no row when another projector was here; called by projector/batch.py.
UPDATE checkpoint
SET clock_at = greatest(clock_at, now())
WHERE name = 'read_model' AND position = %(expected)s::bigint AND generation = %(generation)s::bigint AND NOT retired
RETURNING clock_at
