-- Bring the heads of entities up to date; a schedule comes as the text of an array; called by projector/rows.py.
INSERT INTO entity_head AS h
    (entity_uid, version, last_event_id, last_position, change_points, registered_at, schedule)
SELECT t.entity_uid, t.version, t.last_event_id, t.last_position, t.change_points, t.registered_at,
       t.schedule::timestamptz[]
FROM unnest(
    %(entity_uid)s::uuid[], %(version)s::integer[], %(last_event_id)s::uuid[], %(last_position)s::bigint[],
    %(change_points)s::integer[], %(registered_at)s::timestamptz[], %(schedule)s::text[]
) AS t (entity_uid, version, last_event_id, last_position, change_points, registered_at, schedule)
ON CONFLICT (entity_uid) DO UPDATE
SET version = excluded.version, last_event_id = excluded.last_event_id, last_position = excluded.last_position,
    change_points = excluded.change_points, registered_at = excluded.registered_at, schedule = excluded.schedule
