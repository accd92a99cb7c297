-- The fence, first statement of every batch: it moves no row when another projector was here; called by projector/batch.py.
-- Its clock is the one instant at which the batch leaves is_current; it never goes back.
UPDATE checkpoint
SET position = %(position)s::bigint, recorded_at = %(recorded_at)s::timestamptz,
    clock_at = greatest(clock_at, now(), %(recorded_at)s::timestamptz),
    settled_at = greatest(settled_at, %(recorded_at)s::timestamptz)
WHERE name = 'read_model' AND position = %(expected)s::bigint AND generation = %(generation)s::bigint AND NOT retired
RETURNING clock_at
