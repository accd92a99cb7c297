-- How the read model is, the last run that made rows of it anew, and the set before; called by read_side/projections.py.
SELECT c.position, nullif(c.recorded_at, '-infinity'), nullif(c.clock_at, '-infinity'), nullif(c.settled_at, '-infinity'),
       greatest(coalesce((SELECT position FROM log.event ORDER BY position DESC LIMIT 1), 0) - c.position, 0),
       (SELECT count(*) FROM parked_event), c.generation, projection.previous_position(),
       r.id, r.kind, r.entity_uid, r.requested_by, r.requested_at, r.started_at, r.finished_at, r.attempts, r.phase,
       r.done, r.total,
       CASE WHEN r.finished_at IS NULL AND r.done > 0 AND clock_timestamp() > r.phase_at
            THEN r.done / extract(epoch FROM clock_timestamp() - r.phase_at) END::float8 AS rate,
       r.result::text, r.error
FROM checkpoint c
LEFT JOIN (SELECT * FROM projection.rebuild ORDER BY id DESC LIMIT 1) AS r ON true
WHERE c.name = 'read_model'
