-- Move entity rows that are believed no more out of the way, with the values that they had until then; called by
-- projector/rows.py before anything else. Those that the same batch opened were in no table yet.
WITH moved AS (DELETE FROM entity_version WHERE id = ANY (%(id)s::bigint[]))
INSERT INTO entity_version_superseded (
    id, entity_uid, display_name, entity_type, hashdiff, valid_from, valid_to, recorded_from_position,
    valid_to_known_position, recorded_to_position, created_at, updated_at, actor, search_name
)
SELECT * FROM unnest(
    %(id)s::bigint[], %(entity_uid)s::uuid[], %(display_name)s::text[], %(entity_type)s::text[], %(hashdiff)s::text[],
    %(valid_from)s::timestamptz[], %(valid_to)s::timestamptz[], %(recorded_from_position)s::bigint[],
    %(valid_to_known_position)s::bigint[], %(recorded_to_position)s::bigint[], %(created_at)s::timestamptz[],
    %(updated_at)s::timestamptz[], %(actor)s::text[], %(search_name)s::text[]
)
