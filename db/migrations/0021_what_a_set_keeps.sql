-- A new set is what the migrations made, not what was made of it since; what cannot be carried over is refused at its
-- beginning; rights on columns and functions, and comments, are carried over.

-- What the migrations changed is written down by db/migrate.py: only that, so that damage does not become the measure.
DROP FUNCTION projection.remember();

-- What belongs to a set of tables and is not made again in another one; NULL where nothing is.
CREATE FUNCTION projection.not_carried() RETURNS text LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    WITH relation AS (
        SELECT c.* FROM pg_class c WHERE c.relnamespace = to_regnamespace('read_model')
    ), found (name) AS (
        SELECT format('row-level security of %s', r.oid::regclass) FROM relation r
        WHERE r.relrowsecurity OR r.relforcerowsecurity OR EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = r.oid)
        UNION ALL
        SELECT format('%s %s', CASE r.relkind WHEN 'm' THEN 'materialized view' WHEN 'S' THEN 'sequence'
                      WHEN 'f' THEN 'foreign table' WHEN 'p' THEN 'partitioned table' ELSE 'type' END, r.oid::regclass)
        FROM relation r WHERE r.relkind IN ('m', 'S', 'f', 'p', 'c')
        UNION ALL
        SELECT format('type %s', t.oid::regtype)
        FROM pg_type t WHERE t.typnamespace = to_regnamespace('read_model') AND t.typtype IN ('d', 'e', 'r')
        UNION ALL
        SELECT format('%s %s', CASE p.prokind WHEN 'p' THEN 'procedure' ELSE 'aggregate' END, p.oid::regprocedure)
        FROM pg_proc p WHERE p.pronamespace = to_regnamespace('read_model') AND p.prokind <> 'f'
        UNION ALL
        SELECT format('foreign key %I of %s', k.conname, r.oid::regclass)
        FROM pg_constraint k JOIN relation r ON r.oid = k.conrelid WHERE k.contype = 'f'
        UNION ALL
        SELECT format('rule %I of %s', w.rulename, r.oid::regclass)
        FROM pg_rewrite w JOIN relation r ON r.oid = w.ev_class WHERE w.rulename <> '_RETURN'
        UNION ALL
        SELECT format('statistics %I of %s', s.stxname, r.oid::regclass)
        FROM pg_statistic_ext s JOIN relation r ON r.oid = s.stxrelid
        UNION ALL
        SELECT format('publication %I of %s', b.pubname, r.oid::regclass)
        FROM pg_publication b JOIN pg_publication_rel p ON p.prpubid = b.oid JOIN relation r ON r.oid = p.prrelid
        UNION ALL
        SELECT format('publication %I of %s', b.pubname, p.pnnspid::regnamespace)
        FROM pg_publication b JOIN pg_publication_namespace p ON p.pnpubid = b.oid
        WHERE p.pnnspid = to_regnamespace('read_model')
    )
    SELECT string_agg(f.name, ', ' ORDER BY f.name) FROM found f
$$;

CREATE FUNCTION projection.refuse_loss() RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    lost text := projection.not_carried();
BEGIN
    IF lost IS NOT NULL THEN
        RAISE EXCEPTION '% would be lost, other tables do not get it: drop it, and make it again afterwards', lost
            USING ERRCODE = 'CK004';
    END IF;
END $$;

-- Begin a new set: bare tables, and the plan of what they get once they are full. It is what the migrations made, under
-- their own names just as they made it; what somebody added is kept. A set knows the last migration that it is made after.
CREATE OR REPLACE FUNCTION projection.begin_set() RETURNS void LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    bound     text := projection.bound_to('read_model');
    strangers text := projection.strangers();
    bare      projection.planned;
BEGIN
    IF bound IS NOT NULL THEN
        RAISE EXCEPTION '% hangs on the tables of read_model themselves, and would go on showing the old ones: drop it,'
            ' and make it again afterwards', bound USING ERRCODE = 'CK004';
    END IF;
    IF strangers IS NOT NULL THEN -- made again by the owner, it could do more than who made it may
        RAISE EXCEPTION '% is not of the owner of read_model: drop it, or let the owner make it', strangers
            USING ERRCODE = 'CK004';
    END IF;
    PERFORM projection.refuse_loss();
    PERFORM projection.drop_set('read_model_next');
    CREATE SCHEMA read_model_next;
    EXECUTE format('COMMENT ON SCHEMA read_model_next IS %L', (SELECT max(m.name) FROM public.cockpit_migration m));
    DELETE FROM projection.planned;
    INSERT INTO projection.planned
        WITH made AS (
            SELECT d.*, d.major_version = current_setting('server_version_num')::integer / 10000 AS is_comparable
            FROM projection.definition d WHERE d.schema_name = 'read_model'
        ), wanted AS (
            SELECT kind, name, m.name IS NULL AS is_added, coalesce(m.ordinal, l.ordinal) AS ordinal,
                   CASE WHEN m.is_comparable OR l.name IS NULL THEN m.command ELSE l.command END AS command
            FROM made m FULL JOIN projection.definitions('read_model') l USING (kind, name)
        )
        SELECT row_number() OVER (ORDER BY array_position(
                   ARRAY['table', 'constraint', 'index', 'function', 'view', 'trigger'],
                   CASE w.kind WHEN 'view' THEN 'function' ELSE w.kind END
               ), w.is_added, w.ordinal), w.kind, w.name, w.command
        FROM wanted w;
    INSERT INTO projection.planned
        SELECT p.ordinal + 1000000, 'statistics', p.name, format('ANALYZE read_model.%I', p.name)
        FROM projection.planned p WHERE p.kind = 'table';
    FOR bare IN SELECT * FROM projection.planned p WHERE p.kind = 'table' ORDER BY p.ordinal LOOP
        PERFORM projection.build(bare.ordinal);
    END LOOP;
    PERFORM projection.grant_set('read_model_next');
END $$;

-- Make one planned object of the new set; one that needs what no migration made may not be possible there.
CREATE OR REPLACE FUNCTION projection.build(planned bigint) RETURNS void LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp SET maintenance_work_mem = '128MB' AS $$
DECLARE
    made projection.planned;
BEGIN
    DELETE FROM projection.planned p WHERE p.ordinal = planned RETURNING * INTO STRICT made;
    BEGIN
        EXECUTE regexp_replace(made.command, '\mread_model\.', 'read_model_next.', 'g');
    EXCEPTION WHEN undefined_table OR undefined_column OR undefined_function OR undefined_object THEN
        RAISE EXCEPTION 'the % read_model.% cannot be made for the tables as the migrations make them (%): drop it',
            made.kind, made.name, SQLERRM USING ERRCODE = 'CK004';
    END;
    IF made.kind = 'trigger' THEN
        EXECUTE format('ALTER TABLE read_model_next.%I ENABLE ALWAYS TRIGGER %I', split_part(made.name, '.', 1),
                       split_part(made.name, '.', 2));
    END IF;
END $$;

-- The objects that a set has in common with the live one, each with how SQL names it in that set.
CREATE FUNCTION projection.in_common(set_name text) RETURNS TABLE (
    class regclass, oid oid, part integer, kind text, object text
) LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    WITH relation AS (
        SELECT l.oid, l.relname, l.relkind, n.oid AS other
        FROM pg_class l JOIN pg_class n ON (n.relname, n.relkind) = (l.relname, l.relkind)
        WHERE l.relnamespace = to_regnamespace('read_model') AND n.relnamespace = to_regnamespace(set_name)
          AND l.relkind IN ('r', 'v', 'i')
    )
    SELECT 'pg_class'::regclass, r.oid, 0, CASE r.relkind WHEN 'r' THEN 'TABLE' WHEN 'v' THEN 'VIEW' ELSE 'INDEX' END,
           format('%I.%I', set_name, r.relname)
    FROM relation r
    UNION ALL
    SELECT 'pg_class'::regclass, r.oid, a.attnum, 'COLUMN', format('%I.%I.%I', set_name, r.relname, a.attname)
    FROM relation r JOIN pg_attribute a ON a.attrelid = r.oid AND a.attnum > 0 AND NOT a.attisdropped
         JOIN pg_attribute o ON o.attrelid = r.other AND o.attname = a.attname AND NOT o.attisdropped
    WHERE r.relkind <> 'i'
    UNION ALL
    SELECT 'pg_constraint'::regclass, k.oid, 0, 'CONSTRAINT', format('%I ON %I.%I', k.conname, set_name, r.relname)
    FROM relation r JOIN pg_constraint k ON k.conrelid = r.oid
         JOIN pg_constraint o ON o.conrelid = r.other AND o.conname = k.conname
    UNION ALL
    SELECT 'pg_trigger'::regclass, t.oid, 0, 'TRIGGER', format('%I ON %I.%I', t.tgname, set_name, r.relname)
    FROM relation r JOIN pg_trigger t ON t.tgrelid = r.oid
         JOIN pg_trigger o ON o.tgrelid = r.other AND o.tgname = t.tgname
    UNION ALL
    SELECT 'pg_proc'::regclass, p.oid, 0, 'FUNCTION', o.oid::regprocedure::text
    FROM pg_proc p JOIN pg_proc o ON o.proname = p.proname
         AND pg_get_function_identity_arguments(p.oid) = regexp_replace(
             pg_get_function_identity_arguments(o.oid), '\m(read_model_next|read_model_previous)\.', 'read_model.', 'g')
    WHERE p.pronamespace = to_regnamespace('read_model') AND o.pronamespace = to_regnamespace(set_name)
      AND p.prokind = 'f'
$$;

-- Give a set the rights and the comments that the live one has: those that somebody added, too; before it takes over.
CREATE OR REPLACE FUNCTION projection.copy_rights(set_name text) RETURNS void LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    given record;
BEGIN
    PERFORM projection.refuse_loss();
    FOR given IN
        SELECT f.object FROM projection.in_common(set_name) f JOIN pg_proc p ON p.oid = f.oid
        WHERE f.kind = 'FUNCTION' AND p.proacl IS NOT NULL
    LOOP
        EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', given.object); -- who makes one lets everybody call it
    END LOOP;
    FOR given IN
        SELECT 'SCHEMA' AS kind, quote_ident(set_name) AS object, n.nspowner AS owner, '' AS part, a.*
        FROM pg_namespace n, aclexplode(n.nspacl) a WHERE n.nspname = 'read_model'
        UNION ALL
        SELECT 'TABLE', f.object, c.relowner, '', a.*
        FROM projection.in_common(set_name) f JOIN pg_class c ON c.oid = f.oid, aclexplode(c.relacl) a
        WHERE f.kind IN ('TABLE', 'VIEW')
        UNION ALL
        SELECT 'TABLE', format('%I.%I', set_name, c.relname), c.relowner, format(' (%I)', t.attname), a.*
        FROM projection.in_common(set_name) f JOIN pg_class c ON c.oid = f.oid
             JOIN pg_attribute t ON t.attrelid = f.oid AND t.attnum = f.part, aclexplode(t.attacl) a
        WHERE f.kind = 'COLUMN'
        UNION ALL
        SELECT 'FUNCTION', f.object, p.proowner, '', a.*
        FROM projection.in_common(set_name) f JOIN pg_proc p ON p.oid = f.oid, aclexplode(p.proacl) a
        WHERE f.kind = 'FUNCTION'
    LOOP
        CONTINUE WHEN given.grantee = given.owner;
        EXECUTE format('GRANT %s%s ON %s %s TO %s%s', given.privilege_type, given.part, given.kind, given.object,
                       CASE given.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(given.grantee)) END,
                       CASE WHEN given.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END);
    END LOOP;
    FOR given IN
        SELECT f.kind, f.object, d.description FROM projection.in_common(set_name) f
             JOIN pg_description d ON (d.classoid, d.objoid, d.objsubid) = (f.class, f.oid, f.part)
    LOOP
        EXECUTE format('COMMENT ON %s %s IS %L', given.kind, given.object, given.description);
    END LOOP;
END $$;

REVOKE ALL ON FUNCTION projection.not_carried, projection.refuse_loss, projection.in_common FROM PUBLIC;
