-- One entity as it is now, a row a detail, with what its ETag and its refusals need; for ReadModel.entity.
SELECT c.position, greatest(now(), c.recorded_at) AS as_of,
       h.last_event_id, h.change_points, h.retired_at,
       e.id, e.entity_uid, e.display_name, e.entity_type, e.valid_from, e.valid_to, e.hashdiff,
       d.id, d.detail_type, d.detail_value, d.valid_from, d.valid_to, d.hashdiff
FROM checkpoint c
LEFT JOIN entity_head h ON h.entity_uid = %(uid)s::uuid
LEFT JOIN entity_version e ON e.entity_uid = h.entity_uid AND e.is_current
LEFT JOIN entity_detail_version d ON d.entity_uid = e.entity_uid AND d.is_current
WHERE c.name = 'read_model'
ORDER BY d.detail_type COLLATE "C"
