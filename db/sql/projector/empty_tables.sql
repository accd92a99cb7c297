-- Empty the whole read model; called by projector/rebuild.py.
TRUNCATE entity_head, entity_version, entity_version_superseded, entity_detail_version, entity_detail_version_superseded,
         entity_type, detail_type, audit_entry, external_key, parked_event
