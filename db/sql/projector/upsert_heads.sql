-- Bring the heads of entities up to date; called by projector/rows.py.
INSERT INTO entity_head AS h
    (entity_uid, version, last_event_id, last_position, change_points, registered_at, retired_at)
SELECT * FROM unnest(
    %(entity_uid)s::uuid[], %(version)s::integer[], %(last_event_id)s::uuid[], %(last_position)s::bigint[],
    %(change_points)s::integer[], %(registered_at)s::timestamptz[], %(retired_at)s::timestamptz[]
)
ON CONFLICT (entity_uid) DO UPDATE
SET version = excluded.version, last_event_id = excluded.last_event_id, last_position = excluded.last_position,
    change_points = excluded.change_points, retired_at = excluded.retired_at
