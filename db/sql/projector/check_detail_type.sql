-- All detail types; called by projector/verify.py.
SELECT code, name, description, is_active FROM detail_type
