-- Bring the heads of entities up to date; a schedule comes as the text of an array; called by projector/rows.py.
INSERT INTO entity_head AS h
    (entity_uid, version, last_event_id, last_position, change_points, registered_at, schedule)
SELECT t.entity_uid, t.version, t.last_event_id, t.last_position, t.change_points, t.registered_at,
       t.schedule::timestamptz[]
FROM unnest(
    %(entity_uid)b::uuid[], %(version)b::integer[], %(last_event_id)b::uuid[], %(last_position)b::bigint[],
    %(change_points)b::integer[], %(registered_at)b::timestamptz[], %(schedule)b::text[]
) AS t (entity_uid, version, last_event_id, last_position, change_points, registered_at, schedule)
ON CONFLICT (entity_uid) DO UPDATE
SET version = excluded.version, last_event_id = excluded.last_event_id, last_position = excluded.last_position,
    change_points = excluded.change_points, registered_at = excluded.registered_at, schedule = excluded.schedule
