-- The fence, first statement of every batch; called by projector/batch.py. It moves no row when another projector was here:
-- then it divides by zero, so that nothing counts of what was sent behind it, and its COMMIT least of all.
-- Its clock is the one instant at which the batch leaves is_current; it never goes back.
WITH moved AS (
    UPDATE checkpoint
    SET position = %(position)s::bigint, recorded_at = %(recorded_at)s::timestamptz,
        clock_at = greatest(clock_at, now(), %(recorded_at)s::timestamptz),
        settled_at = greatest(settled_at, %(recorded_at)s::timestamptz)
    WHERE name = 'read_model' AND position = %(expected)s::bigint AND generation = %(generation)s::bigint AND NOT retired
    RETURNING clock_at
)
SELECT min(clock_at) FROM moved HAVING 1 / count(*) = 1
