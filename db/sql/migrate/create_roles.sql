-- Create the three roles that the sides act as, each only where it is missing; called by db/roles.py.
DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['cockpit_writer', 'cockpit_projector', 'cockpit_reader'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name) THEN
            BEGIN
                EXECUTE format('CREATE ROLE %I NOLOGIN', name);
            EXCEPTION WHEN duplicate_object OR unique_violation THEN
                NULL; -- another database of this server created it just now
            END;
        END IF;
        -- from 16 on the creator of a role is a member without the right to switch to it
        IF NOT pg_has_role(current_user, name,
                           CASE WHEN current_setting('server_version_num')::integer >= 160000 THEN 'SET' ELSE 'MEMBER' END) THEN
            EXECUTE format('GRANT %I TO %I', name, current_user);
        END IF;
    END LOOP;
END $$;
