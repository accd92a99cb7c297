-- One event that is parked, as it is stored, with the first one of its stream and what is behind it; for
-- ReadModel.parked_event and cockpit/parked_cli.py.
SELECT c.position, coalesce(%(as_of)s::timestamptz, greatest(now(), c.recorded_at, c.clock_at)) AS as_of,
       (SELECT ARRAY[count(DISTINCT stream), min(position)] FROM parked_event) AS parked,
       p.position, p.stream, e.type, e.schema_version, e.event_id, e.recorded_at, p.reason,
       (SELECT count(*) FROM parked_event b WHERE b.stream = p.stream AND b.position > p.position) AS behind,
       (SELECT min(f.position) FROM parked_event f WHERE f.stream = p.stream) AS first,
       ARRAY(SELECT b.position FROM parked_event b WHERE b.stream = p.stream AND b.position > p.position
             ORDER BY b.position LIMIT 100) AS behind_positions,
       e.version, e.effective_at, nullif(e.effective_until, 'infinity') AS effective_until,
       coalesce(e.effective_until = 'infinity', false) AS is_for_good, e.command_id, e.metadata::text, e.payload::text
FROM checkpoint c
LEFT JOIN (parked_event p JOIN log.event e USING (position)) ON p.position = %(at)s::bigint
WHERE c.name = 'read_model'
