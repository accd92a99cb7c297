-- How many rows each table has; called by projector/verify.py.
SELECT (SELECT count(*) FROM entity_head) AS entity_head,
       (SELECT count(*) FROM entity_version) AS entity_version,
       (SELECT count(*) FROM entity_version_superseded) AS entity_version_superseded,
       (SELECT count(*) FROM entity_detail_version) AS entity_detail_version,
       (SELECT count(*) FROM entity_detail_version_superseded) AS entity_detail_version_superseded,
       (SELECT count(*) FROM audit_entry) AS audit_entry,
       (SELECT count(*) FROM entity_type) AS entity_type,
       (SELECT count(*) FROM detail_type) AS detail_type,
       (SELECT count(*) FROM external_key) AS external_key,
       (SELECT count(*) FROM parked_event) AS parked_event
