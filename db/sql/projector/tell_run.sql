-- How far a run is that has not come to its end; called by projector/runs.py.
UPDATE projection.rebuild
SET phase_at = CASE WHEN phase = %(phase)s::text THEN phase_at ELSE clock_timestamp() END, phase = %(phase)s::text,
    done = %(done)s::bigint, total = %(total)s::bigint
WHERE id = %(id)s::bigint AND finished_at IS NULL
