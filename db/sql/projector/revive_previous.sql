-- Let the set of tables that is kept be folded on, where it is of the schema of today; called by projector/sets.py.
UPDATE read_model_previous.checkpoint SET retired = false
WHERE name = 'read_model' AND obj_description('read_model_previous'::regnamespace, 'pg_namespace')
    = (SELECT max(name) FROM public.cockpit_migration)
