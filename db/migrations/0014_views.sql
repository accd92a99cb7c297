-- What people who look at the tables with tools of their own begin with: docs/bi.md says who may, and how.

-- What exists, a row each, right at the checkpoint's clock_at as is_current is; its details as one object, by type.
CREATE VIEW read_model.current_entities AS
SELECT e.entity_uid, e.display_name, e.entity_type,
       coalesce((SELECT jsonb_object_agg(d.detail_type, d.detail_value) FROM read_model.entity_detail_version d
                 WHERE d.entity_uid = e.entity_uid AND d.is_current), '{}'::jsonb) AS details,
       e.valid_from, e.valid_to, e.id, e.hashdiff, e.created_at, e.updated_at, e.actor
FROM read_model.entity_version e
WHERE e.is_current;
COMMENT ON VIEW read_model.current_entities IS 'What exists now, a row an entity, with its details by type.';

-- Every version of every entity (detail_type is NULL) and of every detail, also what was believed before a correction.
-- Believed from recorded_from until recorded_to; its valid_to is known since valid_to_recorded.
CREATE VIEW read_model.entity_history AS
SELECT v.entity_uid, v.detail_type, v.display_name, v.entity_type, v.detail_value, v.valid_from, v.valid_to, v.is_current,
       v.created_at AS recorded_from, superseding.recorded_at AS recorded_to,
       CASE WHEN v.valid_to IS NOT NULL THEN v.updated_at END AS valid_to_recorded,
       v.recorded_from_position, v.recorded_to_position, v.valid_to_known_position, v.actor, v.id, v.hashdiff
FROM (
    SELECT entity_uid, NULL::text AS detail_type, display_name, entity_type, NULL::text AS detail_value, valid_from, valid_to,
           is_current, created_at, updated_at, recorded_from_position, NULL::bigint AS recorded_to_position,
           valid_to_known_position, actor, id, hashdiff
    FROM read_model.entity_version
    UNION ALL
    SELECT entity_uid, NULL AS detail_type, display_name, entity_type, NULL AS detail_value, valid_from, valid_to,
           false AS is_current, created_at, updated_at, recorded_from_position, recorded_to_position,
           valid_to_known_position, actor, id, hashdiff
    FROM read_model.entity_version_superseded
    UNION ALL
    SELECT entity_uid, detail_type, NULL AS display_name, NULL AS entity_type, detail_value, valid_from, valid_to,
           is_current, created_at, updated_at, recorded_from_position, NULL AS recorded_to_position,
           valid_to_known_position, actor, id, hashdiff
    FROM read_model.entity_detail_version
    UNION ALL
    SELECT entity_uid, detail_type, NULL AS display_name, NULL AS entity_type, detail_value, valid_from, valid_to,
           false AS is_current, created_at, updated_at, recorded_from_position, recorded_to_position,
           valid_to_known_position, actor, id, hashdiff
    FROM read_model.entity_detail_version_superseded
) v
LEFT JOIN read_model.audit_entry superseding ON superseding.audit_id = v.recorded_to_position * 65536;
COMMENT ON VIEW read_model.entity_history IS 'Every version of entities and details, in valid time and in recorded time.';
