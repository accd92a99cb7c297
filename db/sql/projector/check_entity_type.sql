-- All entity types; called by projector/verify.py.
SELECT code, name, description, is_active FROM entity_type
