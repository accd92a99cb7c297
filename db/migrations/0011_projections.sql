-- Sets of tables: the read model is a schema; a rebuild makes another one with the same objects, and they change names.
CREATE SCHEMA projection;

-- Every run that makes rows anew: what was asked for, how far it is, what came of it. One is under way at a time.
CREATE TABLE projection.rebuild (
    id           bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind         text        NOT NULL CHECK (kind IN ('rebuild', 'check', 'rollback', 'entity')),
    entity_uid   uuid        CHECK ((entity_uid IS NOT NULL) = (kind = 'entity')),
    by_request   boolean     NOT NULL,          -- asked for over HTTP: whichever projector leads sees to it
    requested_by text        NOT NULL,
    requested_at timestamptz NOT NULL DEFAULT now(),
    started_at   timestamptz,
    attempts     integer     NOT NULL DEFAULT 0,
    phase        text        NOT NULL DEFAULT 'requested' CHECK (phase IN (
        'requested', 'load', 'index', 'catch_up', 'compare', 'switch', 'done', 'failed'
    )),
    phase_at     timestamptz NOT NULL DEFAULT now(),
    done         bigint      NOT NULL DEFAULT 0, -- of how many in this phase: events, objects, or rows
    total        bigint      NOT NULL DEFAULT 0,
    result       json,
    error        text,
    finished_at  timestamptz CHECK ((finished_at IS NOT NULL) = (phase IN ('done', 'failed')))
);
CREATE UNIQUE INDEX rebuild_is_one_at_a_time ON projection.rebuild ((true)) WHERE finished_at IS NULL;

-- --- what a set is made of ------------------------------------------------------------------------------------------

-- The objects of a schema in the order in which they can be made, as commands that make them in read_model.
CREATE FUNCTION projection.definitions(schema_name text) RETURNS TABLE (
    ordinal bigint, kind text, name text, command text, is_valid boolean
) LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    WITH relation AS (
        SELECT c.oid, c.relname, c.relkind, format('%I.%I', schema_name, c.relname) AS full_name,
               ' WITH (' || array_to_string(c.reloptions, ', ') || ')' AS options
        FROM pg_class c WHERE c.relnamespace = to_regnamespace(schema_name) AND c.relkind IN ('r', 'v')
    ), object (step, oid, kind, name, command, is_valid) AS (
        SELECT 1, r.oid, 'table', r.relname::text, format('CREATE TABLE %s (%s)%s', r.full_name, (
            SELECT string_agg(concat_ws(' ', quote_ident(a.attname), format_type(a.atttypid, a.atttypmod),
                       'COLLATE ' || nullif(a.attcollation, t.typcollation)::regcollation::text,
                       'DEFAULT ' || pg_get_expr(d.adbin, d.adrelid), CASE WHEN a.attnotnull THEN 'NOT NULL' END
                   ), ', ' ORDER BY a.attnum)
            FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
                 LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
            WHERE a.attrelid = r.oid AND a.attnum > 0 AND NOT a.attisdropped
        ), r.options), true
        FROM relation r WHERE r.relkind = 'r'
        UNION ALL
        SELECT 2, c.oid, 'constraint', r.relname || '.' || c.conname,
               format('ALTER TABLE %s ADD CONSTRAINT %I %s', r.full_name, c.conname,
                      regexp_replace(pg_get_constraintdef(c.oid), ' NOT VALID$', '')),
               c.convalidated AND coalesce((SELECT i.indisvalid FROM pg_index i WHERE i.indexrelid = c.conindid), true)
        FROM pg_constraint c JOIN relation r ON r.oid = c.conrelid WHERE c.contype IN ('c', 'p', 'u', 'x')
        UNION ALL
        SELECT 3, i.indexrelid, 'index', r.relname || '.' || c.relname, pg_get_indexdef(i.indexrelid),
               i.indisvalid AND i.indisready
        FROM pg_index i JOIN relation r ON r.oid = i.indrelid JOIN pg_class c ON c.oid = i.indexrelid
        WHERE NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = i.indexrelid AND k.conrelid = i.indrelid)
        UNION ALL
        SELECT 4, p.oid, 'function', p.proname || '(' || pg_get_function_identity_arguments(p.oid) || ')',
               pg_get_functiondef(p.oid), true
        FROM pg_proc p WHERE p.pronamespace = to_regnamespace(schema_name) AND p.prokind = 'f'
        UNION ALL
        SELECT 4, r.oid, 'view', r.relname::text,
               format('CREATE VIEW %s%s AS %s', r.full_name, r.options, pg_get_viewdef(r.oid)), true
        FROM relation r WHERE r.relkind = 'v'
        UNION ALL
        SELECT 5, t.oid, 'trigger', r.relname || '.' || t.tgname, pg_get_triggerdef(t.oid), t.tgenabled = 'A'
        FROM pg_trigger t JOIN relation r ON r.oid = t.tgrelid WHERE NOT t.tgisinternal
    )
    SELECT row_number() OVER (ORDER BY o.step, o.oid), o.kind, o.name,
           regexp_replace(o.command, '\m(read_model|read_model_next|read_model_previous)\.', 'read_model.', 'g'),
           o.is_valid
    FROM object o
$$;

-- What the migrations made. Where the deparser of another major version writes commands otherwise, names must do.
CREATE TABLE projection.definition (
    schema_name   text    NOT NULL,
    ordinal       bigint  NOT NULL,
    kind          text    NOT NULL,
    name          text    NOT NULL,
    command       text    NOT NULL,
    major_version integer NOT NULL DEFAULT current_setting('server_version_num')::integer / 10000,
    PRIMARY KEY (schema_name, kind, name)
);

-- Write down what there is: with every migration, in its transaction.
CREATE FUNCTION projection.remember() RETURNS void LANGUAGE sql SET search_path = pg_catalog, pg_temp AS $$
    DELETE FROM projection.definition;
    INSERT INTO projection.definition (schema_name, ordinal, kind, name, command)
        SELECT s.name, d.ordinal, d.kind, d.name, d.command
        FROM unnest(ARRAY['log', 'read_model']) AS s (name), projection.definitions(s.name) AS d;
$$;

-- What stands outside a set and is bound to its tables themselves, whatever name they have: views, functions, keys.
CREATE FUNCTION projection.bound_to(set_name text) RETURNS text LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp AS $$
    WITH inside (class, oid) AS (
        SELECT 'pg_class'::regclass, c.oid FROM pg_class c WHERE c.relnamespace = to_regnamespace(set_name)
        UNION ALL
        SELECT 'pg_proc'::regclass, p.oid FROM pg_proc p WHERE p.pronamespace = to_regnamespace(set_name)
    ), bound (schema, name) AS (
        SELECT c.relnamespace, c.oid::regclass::text
        FROM inside i JOIN pg_depend d ON (d.refclassid, d.refobjid) = (i.class, i.oid)
             JOIN pg_rewrite r ON d.classid = 'pg_rewrite'::regclass AND r.oid = d.objid
             JOIN pg_class c ON c.oid = r.ev_class
        UNION ALL
        SELECT p.pronamespace, p.oid::regprocedure::text
        FROM inside i JOIN pg_depend d ON (d.refclassid, d.refobjid) = (i.class, i.oid)
             JOIN pg_proc p ON d.classid = 'pg_proc'::regclass AND p.oid = d.objid
        UNION ALL
        SELECT c.relnamespace, c.oid::regclass::text
        FROM inside i JOIN pg_constraint k ON k.confrelid = i.oid JOIN pg_class c ON c.oid = k.conrelid
    )
    SELECT string_agg(DISTINCT b.name, ', ') FROM bound b WHERE b.schema <> to_regnamespace(set_name)
$$;

-- --- a set is made, switched to, dropped: by the owner, for the projector -------------------------------------------

-- What the sides need of a set, wherever their roles are there.
CREATE FUNCTION projection.grant_set(set_name text) RETURNS void LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF to_regrole('cockpit_projector') IS NOT NULL THEN
        EXECUTE format('GRANT USAGE ON SCHEMA %I TO cockpit_projector', set_name);
        EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE, TRUNCATE ON ALL TABLES IN SCHEMA %I TO cockpit_projector',
                       set_name);
    END IF;
    IF to_regrole('cockpit_reader') IS NOT NULL THEN
        EXECUTE format('GRANT USAGE ON SCHEMA %I TO cockpit_reader', set_name);
        EXECUTE format('GRANT SELECT ON ALL TABLES IN SCHEMA %I TO cockpit_reader', set_name);
    END IF;
END $$;

-- What is still to be made in read_model_next, once its rows are there.
CREATE TABLE projection.planned (
    ordinal bigint PRIMARY KEY,
    kind    text   NOT NULL,
    name    text   NOT NULL,
    command text   NOT NULL
);

CREATE FUNCTION projection.drop_set(set_name text) RETURNS void LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    bound text := projection.bound_to(set_name);
BEGIN
    IF set_name NOT IN ('read_model_next', 'read_model_previous') THEN
        RAISE EXCEPTION 'no set that may be dropped: %', set_name USING ERRCODE = 'CK004';
    END IF;
    IF bound IS NOT NULL THEN
        RAISE EXCEPTION '% hangs on the tables of %', bound, set_name USING ERRCODE = 'CK004';
    END IF;
    EXECUTE format('DROP SCHEMA IF EXISTS %I CASCADE', set_name);
END $$;

-- Begin a new set: bare tables, and the plan of what they get once they are full. What the live set lacks of what the
-- migrations made comes back; what somebody added to it is kept. A set knows the last migration that it is made after.
CREATE FUNCTION projection.begin_set() RETURNS void LANGUAGE plpgsql SECURITY DEFINER
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
    PERFORM projection.drop_set('read_model_next');
    CREATE SCHEMA read_model_next;
    EXECUTE format('COMMENT ON SCHEMA read_model_next IS %L', (SELECT max(m.name) FROM public.cockpit_migration m));
    DELETE FROM projection.planned;
    INSERT INTO projection.planned
        WITH wanted AS (
            SELECT 1 AS source, d.ordinal, d.kind, d.name, d.command FROM projection.definitions('read_model') d
            UNION ALL
            SELECT 2, d.ordinal, d.kind, d.name, d.command FROM projection.definition d
            WHERE d.schema_name = 'read_model' AND NOT EXISTS (
                SELECT FROM projection.definitions('read_model') t WHERE (t.kind, t.name) = (d.kind, d.name)
            )
        )
        SELECT row_number() OVER (ORDER BY array_position(
                   ARRAY['table', 'constraint', 'index', 'function', 'view', 'trigger'],
                   CASE w.kind WHEN 'view' THEN 'function' ELSE w.kind END
               ), w.source, w.ordinal), w.kind, w.name, w.command
        FROM wanted w;
    INSERT INTO projection.planned
        SELECT p.ordinal + 1000000, 'statistics', p.name, format('ANALYZE read_model.%I', p.name)
        FROM projection.planned p WHERE p.kind = 'table';
    FOR bare IN SELECT * FROM projection.planned p WHERE p.kind = 'table' ORDER BY p.ordinal LOOP
        PERFORM projection.build(bare.ordinal);
    END LOOP;
    PERFORM projection.grant_set('read_model_next');
END $$;

-- Make one planned object of the new set.
CREATE FUNCTION projection.build(planned bigint) RETURNS void LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp SET maintenance_work_mem = '128MB' AS $$
DECLARE
    made projection.planned;
BEGIN
    DELETE FROM projection.planned p WHERE p.ordinal = planned RETURNING * INTO STRICT made;
    EXECUTE regexp_replace(made.command, '\mread_model\.', 'read_model_next.', 'g');
    IF made.kind = 'trigger' THEN
        EXECUTE format('ALTER TABLE read_model_next.%I ENABLE ALWAYS TRIGGER %I', split_part(made.name, '.', 1),
                       split_part(made.name, '.', 2));
    END IF;
END $$;

-- Give a set the rights that the live one has: those that somebody added, too.
CREATE FUNCTION projection.copy_rights(set_name text) RETURNS void LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    given record;
BEGIN
    FOR given IN
        SELECT 'SCHEMA' AS kind, quote_ident(set_name) AS object, n.nspowner AS owner, a.*
        FROM pg_namespace n, aclexplode(n.nspacl) a WHERE n.nspname = 'read_model'
        UNION ALL
        SELECT 'TABLE', format('%I.%I', set_name, c.relname), c.relowner, a.*
        FROM pg_class c, aclexplode(c.relacl) a
        WHERE c.relnamespace = to_regnamespace('read_model') AND c.relkind IN ('r', 'v')
          AND to_regclass(format('%I.%I', set_name, c.relname)) IS NOT NULL
    LOOP
        CONTINUE WHEN given.grantee = given.owner;
        EXECUTE format('GRANT %s ON %s %s TO %s%s', given.privilege_type, given.kind, given.object,
                       CASE given.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(given.grantee)) END,
                       CASE WHEN given.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END);
    END LOOP;
END $$;

-- Let a set be the read model from now on, the one before read_model_previous; in a transaction that changes little
-- else: the projector that leads waits for it. Raises CK005 where the set is not as far as the live one, which may have
-- no checkpoint any more; CK006 where the set is not of this schema, lock_not_available where somebody migrates.
CREATE FUNCTION projection.switch(set_name text) RETURNS void LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    migration text;
    reached   bigint;
    clock     timestamptz;
    settled   timestamptz;
    last      bigint;
    moved     bigint;
BEGIN
    IF set_name NOT IN ('read_model_next', 'read_model_previous') THEN
        RAISE EXCEPTION 'no set to switch to: %', set_name USING ERRCODE = 'CK004';
    END IF;
    IF NOT pg_try_advisory_xact_lock(4011, 2) THEN
        RAISE EXCEPTION 'the schema is being migrated' USING ERRCODE = 'lock_not_available';
    END IF;
    SELECT max(m.name) INTO migration FROM public.cockpit_migration m;
    IF obj_description(to_regnamespace(set_name), 'pg_namespace') IS DISTINCT FROM migration THEN
        RAISE EXCEPTION '% was made before migration %', set_name, migration USING ERRCODE = 'CK006';
    END IF;
    IF set_name = 'read_model_next' AND EXISTS (SELECT FROM projection.planned) THEN
        RAISE EXCEPTION '% is not finished', set_name USING ERRCODE = 'CK005';
    END IF;
    PERFORM projection.grant_set(set_name);
    PERFORM projection.copy_rights(set_name);
    IF to_regclass('read_model.checkpoint') IS NOT NULL THEN
        EXECUTE 'UPDATE read_model.checkpoint SET retired = true WHERE name = ''read_model''
                 RETURNING position, clock_at, settled_at, generation' INTO reached, clock, settled, last;
        IF reached > coalesce((SELECT max(e.position) FROM log.event e), 0) THEN -- no log bears it out
            reached := NULL; clock := NULL; settled := NULL;
        END IF;
    END IF;
    EXECUTE format(
        'UPDATE %I.checkpoint SET retired = false, generation = greatest(generation, $1) + 1,
                settled_at = greatest(settled_at, $2)
         WHERE name = ''read_model'' AND position >= coalesce($3, position) AND clock_at >= coalesce($4, clock_at)',
        set_name
    ) USING last, settled, reached, clock;
    GET DIAGNOSTICS moved = ROW_COUNT;
    IF moved <> 1 THEN
        RAISE EXCEPTION '% is not as far as the live set', set_name USING ERRCODE = 'CK005';
    END IF;
    ALTER SCHEMA read_model RENAME TO read_model_retired;
    EXECUTE format('ALTER SCHEMA %I RENAME TO read_model', set_name);
    ALTER SCHEMA read_model_retired RENAME TO read_model_previous;
    EXECUTE format('COMMENT ON SCHEMA read_model_previous IS %L', migration);
    PERFORM pg_notify('cockpit_event', '');
END $$;

REVOKE ALL ON ALL FUNCTIONS IN SCHEMA projection FROM PUBLIC;
