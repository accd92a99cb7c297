-- Add external keys that were claimed; called by projector/rows.py.
INSERT INTO external_key (source, external_id, entity_uid, event_id, position, recorded_at, actor)
SELECT * FROM unnest(
    %(source)b::text[], %(external_id)b::text[], %(entity_uid)b::uuid[], %(event_id)b::uuid[], %(position)b::bigint[],
    %(recorded_at)b::timestamptz[], %(actor)b::text[]
)
