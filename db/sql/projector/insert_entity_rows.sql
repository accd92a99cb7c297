-- Open entity rows; called by projector/rows.py after the rows before them were closed or superseded.
INSERT INTO entity_version (
    id, entity_uid, display_name, entity_type, hashdiff, valid_from, valid_to, is_current, asserted_to,
    recorded_from_position, valid_to_known_position, created_at, updated_at, actor, search_name
)
SELECT t.id, t.entity_uid, t.display_name, t.entity_type, t.hashdiff, t.valid_from, t.valid_to,
       t.valid_from <= %(clock)s::timestamptz AND coalesce(t.valid_to > %(clock)s::timestamptz, true), t.asserted_to,
       t.recorded_from_position, t.valid_to_known_position, t.created_at, t.updated_at, t.actor,
       t.search_name
FROM unnest(
    %(id)b::bigint[], %(entity_uid)b::uuid[], %(display_name)b::text[], %(entity_type)b::text[], %(hashdiff)b::text[],
    %(valid_from)b::timestamptz[], %(valid_to)b::timestamptz[], %(asserted_to)b::timestamptz[],
    %(recorded_from_position)b::bigint[], %(valid_to_known_position)b::bigint[], %(created_at)b::timestamptz[],
    %(updated_at)b::timestamptz[], %(actor)b::text[], %(search_name)b::text[]
) AS t (
    id, entity_uid, display_name, entity_type, hashdiff, valid_from, valid_to, asserted_to, recorded_from_position,
    valid_to_known_position, created_at, updated_at, actor, search_name
)
