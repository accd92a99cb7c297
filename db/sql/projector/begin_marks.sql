-- Have the marks of the counts set for a new set of tables, as the first statement on its entities does, whatever it
-- changes; called by projector/rebuild.py.
UPDATE read_model_next.entity_version SET is_current = is_current WHERE false
