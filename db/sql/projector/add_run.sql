-- A run that begins at once, asked for at the command line; called by projector/runs.py.
INSERT INTO projection.rebuild (kind, entity_uid, by_request, requested_by, started_at, attempts)
VALUES (%(kind)s::text, %(entity_uid)s::uuid, false, %(requested_by)s::text, now(), 1)
RETURNING id, kind, entity_uid, attempts
