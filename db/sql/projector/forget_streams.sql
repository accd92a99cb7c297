-- Throw away all rows of some streams, before they are made anew; called by projector/rows.py.
WITH uids AS MATERIALIZED (
    SELECT unnest(%(uids)b::uuid[]) AS uid
), a AS (DELETE FROM entity_head USING uids WHERE entity_uid = uid
), b AS (DELETE FROM entity_version USING uids WHERE entity_uid = uid
), c AS (DELETE FROM entity_version_superseded USING uids WHERE entity_uid = uid
), d AS (DELETE FROM entity_detail_version USING uids WHERE entity_uid = uid
), e AS (DELETE FROM entity_detail_version_superseded USING uids WHERE entity_uid = uid
), f AS (DELETE FROM audit_entry WHERE audit_id = ANY (ARRAY( -- no index of all entries has the entity
             SELECT a.audit_id FROM log.event e
             CROSS JOIN LATERAL (SELECT audit_id FROM audit_entry
                                 WHERE audit_id >= e.position * 65536 AND audit_id < (e.position + 1) * 65536 OFFSET 0) a
             WHERE e.stream = ANY (%(streams)b::text[])
             UNION ALL -- and what stands behind a first entry, or beyond the checkpoint, though the log has no such event
             SELECT a.audit_id FROM uids
             CROSS JOIN LATERAL (SELECT audit_id AS first FROM audit_entry
                                 WHERE entity_uid = uid AND audit_id & 65535 = 0 OFFSET 0) s
             CROSS JOIN LATERAL (SELECT audit_id, entity_uid FROM audit_entry
                                 WHERE audit_id >= s.first AND audit_id < s.first + 65536 OFFSET 0) a
             WHERE a.entity_uid = uid
             UNION ALL
             SELECT a.audit_id
             FROM (SELECT audit_id, entity_uid FROM audit_entry
                   WHERE audit_id >= (SELECT (position + 1) * 65536 FROM checkpoint WHERE name = 'read_model')
                   ORDER BY audit_id OFFSET 0) a -- in order: it is read through the index
             WHERE a.entity_uid IN (SELECT uid FROM uids)))
), g AS (DELETE FROM external_key k USING unnest(%(sources)b::text[], %(external_ids)b::text[]) AS t (source, external_id)
         WHERE k.source = t.source AND k.external_id = t.external_id
), h AS (DELETE FROM entity_type WHERE %(types)s::boolean
), i AS (DELETE FROM detail_type WHERE %(types)s::boolean
)
DELETE FROM parked_event WHERE stream = ANY (%(streams)b::text[])
