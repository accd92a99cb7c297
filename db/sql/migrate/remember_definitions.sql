-- Write down what a migration made, changed and dropped, in its transaction; what others did before it stays unwritten.
-- Called by db/migrate.py with what there was before.
WITH before AS (
    SELECT * FROM json_to_recordset(%(before)s::json) AS b (schema_name text, kind text, name text, command text)
), after AS (
    SELECT s.name AS schema_name, d.ordinal, d.kind, d.name, d.command
    FROM unnest(ARRAY['log', 'read_model']) AS s (name), projection.definitions(s.name) AS d
), dropped AS (
    DELETE FROM projection.definition d USING before b
    WHERE (d.schema_name, d.kind, d.name) = (b.schema_name, b.kind, b.name) AND NOT EXISTS (
        SELECT FROM after a WHERE (a.schema_name, a.kind, a.name) = (b.schema_name, b.kind, b.name)
    )
)
INSERT INTO projection.definition (schema_name, ordinal, kind, name, command, major_version)
SELECT schema_name, a.ordinal, kind, name, CASE WHEN c.is_new THEN a.command ELSE known.command END,
       CASE WHEN c.is_new THEN current_setting('server_version_num')::integer / 10000 ELSE known.major_version END
FROM after a
LEFT JOIN before b USING (schema_name, kind, name)
LEFT JOIN projection.definition known USING (schema_name, kind, name)
CROSS JOIN LATERAL (SELECT b.command IS DISTINCT FROM a.command AS is_new) c
WHERE c.is_new OR known.name IS NOT NULL
ON CONFLICT (schema_name, kind, name) DO UPDATE
SET ordinal = excluded.ordinal, command = excluded.command, major_version = excluded.major_version
