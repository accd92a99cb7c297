-- Add external keys that were claimed; called by projector/rows.py.
INSERT INTO external_key (source, external_id, entity_uid, event_id, position, recorded_at, actor)
SELECT * FROM unnest(
    %(source)s::text[], %(external_id)s::text[], %(entity_uid)s::uuid[], %(event_id)s::uuid[], %(position)s::bigint[],
    %(recorded_at)s::timestamptz[], %(actor)s::text[]
)
