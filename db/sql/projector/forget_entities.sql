-- Throw away all rows of some streams, before they are made anew; called by projector/rows.py.
WITH uids AS MATERIALIZED (
    SELECT unnest(%(uids)s::uuid[]) AS uid
), a AS (DELETE FROM entity_head USING uids WHERE entity_uid = uid
), b AS (DELETE FROM entity_version USING uids WHERE entity_uid = uid
), c AS (DELETE FROM entity_version_superseded USING uids WHERE entity_uid = uid
), d AS (DELETE FROM entity_detail_version USING uids WHERE entity_uid = uid
), e AS (DELETE FROM entity_detail_version_superseded USING uids WHERE entity_uid = uid
), f AS (DELETE FROM audit_entry USING uids WHERE entity_uid = uid
)
DELETE FROM parked_event WHERE stream = ANY (%(streams)s::text[])
