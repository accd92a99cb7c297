-- Say up to when all that was recorded is projected: a fence, as move_checkpoint is; called by projector/batch.py.
WITH moved AS (
    UPDATE checkpoint
    SET settled_at = greatest(settled_at, %(settled_at)s::timestamptz)
    WHERE name = 'read_model' AND position = %(expected)s::bigint AND generation = %(generation)s::bigint AND NOT retired
    RETURNING clock_at
)
SELECT min(clock_at) FROM moved HAVING 1 / count(*) = 1
