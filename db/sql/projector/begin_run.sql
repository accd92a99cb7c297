-- Begin a run that was asked for, or begin it again; called by projector/runs.py.
UPDATE projection.rebuild
SET started_at = coalesce(started_at, now()), attempts = attempts + 1, phase = 'requested', phase_at = now(), done = 0,
    total = 0
WHERE id = %(id)s::bigint AND finished_at IS NULL
RETURNING id, kind, entity_uid, attempts
