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
             WHERE e.stream = ANY (%(streams)b::text[])))
), g AS (DELETE FROM external_key k USING unnest(%(sources)b::text[], %(external_ids)b::text[]) AS t (source, external_id)
         WHERE k.source = t.source AND k.external_id = t.external_id
), h AS (DELETE FROM entity_type WHERE %(types)s::boolean
), i AS (DELETE FROM detail_type WHERE %(types)s::boolean
)
DELETE FROM parked_event WHERE stream = ANY (%(streams)b::text[])
