-- Say up to when all that was recorded is projected: behind the fence; called by projector/batch.py.
UPDATE checkpoint
SET settled_at = greatest(settled_at, %(settled_at)s::timestamptz)
WHERE name = 'read_model' AND position = %(expected)s::bigint AND generation = %(generation)s::bigint AND NOT retired
RETURNING clock_at
