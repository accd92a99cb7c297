-- Whether a part of a name is met in the order of a list, or looked for by the parts, hangs on how common PostgreSQL takes it to
-- be. Among the 100 names that ANALYZE keeps there may be none of 5 of 100 people: then the word is taken for rare, and all who
-- have it are sorted (170 ms at 1,000,000 entities; 8 in the order of the list). Among 300 there is one for all that can be met.
ALTER TABLE read_model.entity_version ALTER search_name SET STATISTICS 300;
ANALYZE read_model.entity_version (search_name);

-- What there is of a set of tables, as before; a table keeps how much ANALYZE looks at.
CREATE OR REPLACE FUNCTION projection.definitions(schema_name text) RETURNS TABLE (
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
        ), r.options) || (
            SELECT coalesce(string_agg(format('; ALTER TABLE %s ALTER %I SET STATISTICS %s', r.full_name, a.attname,
                                              a.attstattarget), '' ORDER BY a.attnum), '')
            FROM pg_attribute a WHERE a.attrelid = r.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attstattarget > 0
        ), true
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
