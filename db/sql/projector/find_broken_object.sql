-- The first object that the migrations made and that is missing, not valid or another one by now, tables that are missing
-- before all; called by projector/verify.py. Commands are compared where the same major version has written them, and but
-- for what a rebuild takes apart into queries and puts together again: the second writing of such may be another one.
SELECT d.kind, d.schema_name || '.' || d.name,
       CASE WHEN t.name IS NULL THEN 'is missing' WHEN NOT t.is_valid THEN 'is not valid, or switched off'
            ELSE 'is not the one that the migrations made' END
FROM projection.definition d
LEFT JOIN (
    SELECT s.schema_name, made.*
    FROM unnest(ARRAY['log', 'read_model']) AS s (schema_name), projection.definitions(s.schema_name) AS made
) AS t USING (schema_name, kind, name)
WHERE t.name IS NULL OR NOT t.is_valid
   OR (t.command <> d.command AND d.major_version = current_setting('server_version_num')::integer / 10000
       AND (d.schema_name = 'log' OR d.kind NOT IN ('function', 'view')))
ORDER BY (d.kind = 'table' AND t.name IS NULL) DESC, d.schema_name, d.ordinal
LIMIT 1
