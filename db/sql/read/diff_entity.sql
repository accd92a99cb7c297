-- The rows of one entity that a window of valid time meets, for both modes of ReadModel.diff.
SELECT c.position, coalesce(%(as_of)s::timestamptz, greatest(now(), c.recorded_at)) AS as_of, NULL::bigint AS count,
       %(uid)s::uuid AS entity_uid, r.detail_type, r.value, r.entity_type, r.valid_from, r.valid_to
FROM checkpoint c
LEFT JOIN (
    SELECT NULL::text AS detail_type, display_name AS value, entity_type, valid_from, valid_to
    FROM entity_version
    WHERE entity_uid = %(uid)s::uuid AND valid_from <= %(to)s::timestamptz
      AND (valid_to IS NULL OR valid_to > %(from)s::timestamptz)
    UNION ALL
    SELECT detail_type, detail_value, NULL, valid_from, valid_to
    FROM entity_detail_version
    WHERE entity_uid = %(uid)s::uuid AND valid_from <= %(to)s::timestamptz
      AND (valid_to IS NULL OR valid_to > %(from)s::timestamptz)
) r ON true
WHERE c.name = 'read_model'
