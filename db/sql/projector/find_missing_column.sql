-- The first of these columns that is not there, each beside its table; called by projector/sets.py.
SELECT needed.name, needed.column_name
FROM unnest(%(tables)s::text[], %(columns)s::text[]) AS needed (name, column_name)
WHERE NOT EXISTS (
    SELECT FROM pg_attribute a
    WHERE a.attrelid = to_regclass(needed.name) AND a.attname = needed.column_name AND NOT a.attisdropped
)
LIMIT 1
