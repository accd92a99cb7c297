-- Move entity rows that are believed no more out of the way, with the values that they had until then; called by
-- projector/rows.py before anything else. Those that the same batch opened were in no table yet.
WITH moved AS (DELETE FROM entity_version WHERE id = ANY (%(id)b::bigint[]))
INSERT INTO entity_version_superseded (
    id, entity_uid, display_name, entity_type, hashdiff, valid_from, valid_to, recorded_from_position,
    valid_to_known_position, recorded_to_position, created_at, updated_at, actor, search_name
)
SELECT * FROM unnest(
    %(id)b::bigint[], %(entity_uid)b::uuid[], %(display_name)b::text[], %(entity_type)b::text[], %(hashdiff)b::text[],
    %(valid_from)b::timestamptz[], %(valid_to)b::timestamptz[], %(recorded_from_position)b::bigint[],
    %(valid_to_known_position)b::bigint[], %(recorded_to_position)b::bigint[], %(created_at)b::timestamptz[],
    %(updated_at)b::timestamptz[], %(actor)b::text[], %(search_name)b::text[]
)
