-- The open rows of some details, current or to come: the last ones; called by projector/states.py.
SELECT v.id, v.entity_uid, v.detail_type, v.detail_value, v.hashdiff, v.valid_from, v.asserted_to,
       v.recorded_from_position, v.created_at, v.updated_at, v.actor
FROM unnest(%(uids)b::uuid[], %(codes)b::text[]) AS t (entity_uid, detail_type),
     LATERAL (
         SELECT * FROM entity_detail_version d
         WHERE d.entity_uid = t.entity_uid AND d.detail_type = t.detail_type
         ORDER BY d.valid_from DESC LIMIT 1
     ) AS v
WHERE v.valid_to IS NULL
