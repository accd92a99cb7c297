-- All that was ever believed of one entity and its details, for the difference between two points of time: where
-- recorded_to_position is NULL it still is. It is inlined: what the caller asks of the rows finds their indexes.
CREATE FUNCTION read_model.rows_of(uid uuid) RETURNS TABLE (
    detail_type text, value text, entity_type text, hashdiff text, valid_from timestamptz, valid_to timestamptz,
    recorded_from_position bigint, valid_to_known_position bigint, recorded_to_position bigint
) LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT NULL::text, display_name, entity_type, hashdiff, valid_from, valid_to,
           recorded_from_position, valid_to_known_position, NULL::bigint
    FROM read_model.entity_version WHERE entity_uid = uid
    UNION ALL
    SELECT NULL, display_name, entity_type, hashdiff, valid_from, valid_to,
           recorded_from_position, valid_to_known_position, recorded_to_position
    FROM read_model.entity_version_superseded WHERE entity_uid = uid
    UNION ALL
    SELECT detail_type, detail_value, NULL, hashdiff, valid_from, valid_to,
           recorded_from_position, valid_to_known_position, NULL
    FROM read_model.entity_detail_version WHERE entity_uid = uid
    UNION ALL
    SELECT detail_type, detail_value, NULL, hashdiff, valid_from, valid_to,
           recorded_from_position, valid_to_known_position, recorded_to_position
    FROM read_model.entity_detail_version_superseded WHERE entity_uid = uid;
END;
