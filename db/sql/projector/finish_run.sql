-- What came of a run; called by projector/runs.py.
UPDATE projection.rebuild
SET phase = %(phase)s::text, finished_at = clock_timestamp(), result = %(result)s::json, error = %(error)s::text
WHERE id = %(id)s::bigint
