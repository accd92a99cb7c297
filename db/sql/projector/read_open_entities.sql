-- The open entity rows of some entities, current or to come: the last ones; called by projector/states.py.
SELECT v.id, v.entity_uid, v.display_name, v.entity_type, v.hashdiff, v.valid_from, v.asserted_to,
       v.recorded_from_position, v.created_at, v.updated_at, v.actor
FROM unnest(%(uids)b::uuid[]) AS t (entity_uid),
     LATERAL (
         SELECT * FROM entity_version e WHERE e.entity_uid = t.entity_uid ORDER BY e.valid_from DESC LIMIT 1
     ) AS v
WHERE v.valid_to IS NULL
