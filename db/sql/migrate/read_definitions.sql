-- What the schemas of the log and of the read model are made of; called by db/migrate.py before each migration.
SELECT coalesce(json_agg(json_build_object(
    'schema_name', s.name, 'kind', d.kind, 'name', d.name, 'command', d.command
))::text, '[]')
FROM unnest(ARRAY['log', 'read_model']) AS s (name), projection.definitions(s.name) AS d
