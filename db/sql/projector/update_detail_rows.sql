-- Close detail rows, or note that they were asserted again; called by projector/rows.py before any insert.
UPDATE entity_detail_version v
SET valid_to = t.valid_to, asserted_to = t.asserted_to, valid_to_known_position = t.valid_to_known_position,
    updated_at = t.updated_at,
    is_current = v.valid_from <= %(clock)s::timestamptz AND coalesce(t.valid_to > %(clock)s::timestamptz, true)
FROM unnest(
    %(id)b::bigint[], %(valid_to)b::timestamptz[], %(asserted_to)b::timestamptz[],
    %(valid_to_known_position)b::bigint[], %(updated_at)b::timestamptz[]
) AS t (id, valid_to, asserted_to, valid_to_known_position, updated_at)
WHERE v.id = t.id
