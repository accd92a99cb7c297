-- What an administrator has to run so that this login can act as the roles; called by db/roles.py.
SELECT coalesce(string_agg(format(E'CREATE ROLE %I NOLOGIN;\n', name), '' ORDER BY name)
                FILTER (WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name)), '')
       || format(E'GRANT %s TO %I;\n', string_agg(quote_ident(name), ', ' ORDER BY name), current_user)
FROM unnest(ARRAY['cockpit_writer', 'cockpit_projector', 'cockpit_reader']) AS name
