-- Give each role what its side needs and nothing else; called by db/roles.py after every migration.
GRANT USAGE ON SCHEMA log TO cockpit_writer, cockpit_projector, cockpit_reader;
GRANT USAGE ON SCHEMA auth TO cockpit_writer, cockpit_reader;
GRANT USAGE ON SCHEMA projection TO cockpit_writer, cockpit_projector, cockpit_reader;
GRANT USAGE ON SCHEMA public TO cockpit_writer, cockpit_projector, cockpit_reader;

-- the writer appends through the function and reads streams
GRANT EXECUTE ON FUNCTION log.append_events, log.forget_receipts TO cockpit_writer;
GRANT SELECT ON log.event, log.command_receipt TO cockpit_writer;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA auth TO cockpit_writer;

-- the projector reads the log and writes the read model
GRANT SELECT ON log.event TO cockpit_projector;
SELECT projection.grant_set(nspname::text) FROM pg_namespace WHERE nspname IN ('read_model', 'read_model_previous');

-- it makes other sets of tables, as their owner, through these alone; what the writer asks for, it sees to
GRANT EXECUTE ON FUNCTION projection.begin_set, projection.build, projection.switch, projection.drop_set,
    projection.definitions, projection.previous_position TO cockpit_projector;
GRANT SELECT ON projection.definition, projection.planned TO cockpit_projector;
GRANT SELECT, INSERT, UPDATE ON projection.rebuild TO cockpit_projector;
GRANT SELECT, INSERT ON projection.rebuild TO cockpit_writer;

-- the reader writes nothing; what it may read of the read model is granted with the set
GRANT SELECT ON log.event TO cockpit_reader;
GRANT EXECUTE ON FUNCTION log.position_at TO cockpit_reader;
GRANT EXECUTE ON FUNCTION projection.previous_position TO cockpit_reader;
GRANT SELECT ON projection.rebuild TO cockpit_reader;
GRANT SELECT ON auth.token TO cockpit_reader;
GRANT SELECT (username, is_admin, is_active) ON auth.account TO cockpit_reader;

-- who runs a side with a login of its own checks that the schema is the code's
GRANT SELECT ON public.cockpit_migration TO cockpit_writer, cockpit_projector, cockpit_reader;
