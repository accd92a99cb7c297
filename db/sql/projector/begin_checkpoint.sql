-- The checkpoint of a new set of tables: where the live one stands, or the end of the log where that does not; its clock
-- is never behind that one's. The set is known by its checkpoint; called by projector/rebuild.py.
INSERT INTO read_model_next.checkpoint (name, position, recorded_at, clock_at, settled_at)
SELECT 'read_model', s.position, coalesce(e.recorded_at, '-infinity'),
       greatest(now(), e.recorded_at, %(clock_at)s::timestamptz), coalesce(e.recorded_at, '-infinity')
FROM (
    SELECT coalesce(%(position)s::bigint, (SELECT max(position) FROM log.event), 0) AS position
) AS s LEFT JOIN log.event e ON e.position = s.position
RETURNING position, clock_at, tableoid::bigint AS set_id
