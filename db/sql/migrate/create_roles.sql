-- Create the three roles that the sides act as, each only where it is missing; called by db/roles.py.
-- From version 16 on, who creates a role is its member without the right to act as it: that is granted, too.
DO $$
DECLARE
    name text;
    may_act text := CASE WHEN current_setting('server_version_num')::integer < 160000 THEN 'MEMBER' ELSE 'SET' END;
BEGIN
    FOREACH name IN ARRAY ARRAY['cockpit_writer', 'cockpit_projector', 'cockpit_reader'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name) THEN
            BEGIN
                EXECUTE format('CREATE ROLE %I NOLOGIN', name);
            EXCEPTION WHEN duplicate_object OR unique_violation THEN
                NULL; -- another database of this server created it just now
            END;
        END IF;
        IF NOT pg_has_role(current_user, name, may_act) THEN
            EXECUTE format('GRANT %I TO %I', name, current_user);
        END IF;
    END LOOP;
END $$;
