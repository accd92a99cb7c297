-- What was known at a position, for the read side: the rows of both tables as they were then.
CREATE INDEX entity_version_superseded_starts ON read_model.entity_version_superseded (valid_from, entity_uid);
CREATE INDEX entity_version_superseded_ends ON read_model.entity_version_superseded (valid_to, entity_uid)
    WHERE valid_to IS NOT NULL;
CREATE INDEX entity_detail_version_superseded_starts
    ON read_model.entity_detail_version_superseded (valid_from, entity_uid);
CREATE INDEX entity_detail_version_superseded_ends ON read_model.entity_detail_version_superseded (valid_to, entity_uid)
    WHERE valid_to IS NOT NULL;

-- The rows as they were known at a position, NULL being the latest: an end that was told later is not there yet. Both
-- are inlined: where the position is NULL at planning nothing but the table of today is left of them, indexes and all.
CREATE FUNCTION read_model.entity_version_known(known bigint) RETURNS TABLE (
    id bigint, entity_uid uuid, display_name text, entity_type text, hashdiff text, valid_from timestamptz,
    valid_to timestamptz, recorded_from_position bigint, valid_to_known_position bigint, created_at timestamptz,
    updated_at timestamptz, actor text, search_name text
) LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT v.id, v.entity_uid, v.display_name, v.entity_type, v.hashdiff, v.valid_from,
           CASE WHEN known IS NULL OR v.valid_to_known_position <= known THEN v.valid_to END,
           v.recorded_from_position,
           CASE WHEN known IS NULL OR v.valid_to_known_position <= known THEN v.valid_to_known_position END,
           v.created_at,
           CASE WHEN known IS NULL OR v.valid_to_known_position <= known THEN v.updated_at ELSE v.created_at END,
           v.actor, v.search_name
    FROM read_model.entity_version v
    WHERE known IS NULL OR v.recorded_from_position <= known
    UNION ALL
    SELECT v.id, v.entity_uid, v.display_name, v.entity_type, v.hashdiff, v.valid_from,
           CASE WHEN v.valid_to_known_position <= known THEN v.valid_to END,
           v.recorded_from_position,
           CASE WHEN v.valid_to_known_position <= known THEN v.valid_to_known_position END,
           v.created_at,
           CASE WHEN v.valid_to_known_position <= known THEN v.updated_at ELSE v.created_at END,
           v.actor, v.search_name
    FROM read_model.entity_version_superseded v
    WHERE v.recorded_from_position <= known AND known < v.recorded_to_position;
END;

CREATE FUNCTION read_model.entity_detail_version_known(known bigint) RETURNS TABLE (
    id bigint, entity_uid uuid, detail_type text, detail_value text, hashdiff text, valid_from timestamptz,
    valid_to timestamptz, recorded_from_position bigint, valid_to_known_position bigint, created_at timestamptz,
    updated_at timestamptz, actor text
) LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT v.id, v.entity_uid, v.detail_type, v.detail_value, v.hashdiff, v.valid_from,
           CASE WHEN known IS NULL OR v.valid_to_known_position <= known THEN v.valid_to END,
           v.recorded_from_position,
           CASE WHEN known IS NULL OR v.valid_to_known_position <= known THEN v.valid_to_known_position END,
           v.created_at,
           CASE WHEN known IS NULL OR v.valid_to_known_position <= known THEN v.updated_at ELSE v.created_at END,
           v.actor
    FROM read_model.entity_detail_version v
    WHERE known IS NULL OR v.recorded_from_position <= known
    UNION ALL
    SELECT v.id, v.entity_uid, v.detail_type, v.detail_value, v.hashdiff, v.valid_from,
           CASE WHEN v.valid_to_known_position <= known THEN v.valid_to END,
           v.recorded_from_position,
           CASE WHEN v.valid_to_known_position <= known THEN v.valid_to_known_position END,
           v.created_at,
           CASE WHEN v.valid_to_known_position <= known THEN v.updated_at ELSE v.created_at END,
           v.actor
    FROM read_model.entity_detail_version_superseded v
    WHERE v.recorded_from_position <= known AND known < v.recorded_to_position;
END;
