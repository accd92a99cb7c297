-- Ask for a run that makes rows anew, and wake the projector that leads; none where the entity it names has no event, a
-- violation of rebuild_is_one_at_a_time where another is not finished; called by write_side/rebuilds.py.
WITH asked AS (
    INSERT INTO projection.rebuild (kind, entity_uid, by_request, requested_by)
    SELECT %(kind)s::text, %(entity_uid)s::uuid, true, %(requested_by)s::text
    WHERE %(stream)s::text IS NULL OR EXISTS (SELECT FROM log.event WHERE stream = %(stream)s::text)
    RETURNING *
)
SELECT id, kind, entity_uid, requested_by, requested_at, started_at, finished_at, attempts, phase, done, total,
       NULL::float8, result::text, error
FROM asked, LATERAL (SELECT pg_notify('cockpit_rebuild', '')) AS told
