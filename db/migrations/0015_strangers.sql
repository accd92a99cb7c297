-- What stands beside a set of tables: objects of others in it, and the set before it.

-- What is in read_model and not its owner's; NULL where nothing is. A rebuild makes everything there again as the owner.
CREATE FUNCTION projection.strangers() RETURNS text LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT string_agg(made.name, ', ')
    FROM pg_namespace n, (
        SELECT c.oid::regclass::text AS name, c.relowner AS owner
        FROM pg_class c WHERE c.relnamespace = to_regnamespace('read_model') AND c.relkind IN ('r', 'v', 'm', 'f', 'p')
        UNION ALL
        SELECT p.oid::regprocedure::text, p.proowner
        FROM pg_proc p WHERE p.pronamespace = to_regnamespace('read_model')
    ) AS made
    WHERE n.nspname = 'read_model' AND made.owner <> n.nspowner
$$;

-- How far the set before this one is, NULL where none is kept.
CREATE FUNCTION projection.previous_position() RETURNS bigint LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    found bigint;
BEGIN
    IF to_regclass('read_model_previous.checkpoint') IS NOT NULL THEN
        EXECUTE 'SELECT position FROM read_model_previous.checkpoint WHERE name = ''read_model''' INTO found;
    END IF;
    RETURN found;
EXCEPTION WHEN undefined_table OR invalid_schema_name THEN -- it is being dropped just now
    RETURN NULL;
END $$;

REVOKE ALL ON FUNCTION projection.strangers, projection.previous_position FROM PUBLIC;
