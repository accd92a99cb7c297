-- The fence, first statement of every batch: it moves no row when another projector was here; called by projector/batch.py.
UPDATE checkpoint
SET position = %(position)s::bigint, recorded_at = %(recorded_at)s::timestamptz, clock_at = now()
WHERE name = 'read_model' AND position = %(expected)s::bigint AND NOT retired
