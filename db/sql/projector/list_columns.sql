-- The columns of a table, and their types; called by projector/comparing.py.
SELECT attname::text, format_type(atttypid, NULL) FROM pg_attribute
WHERE attrelid = %(table)s::regclass AND attnum > 0 AND NOT attisdropped
ORDER BY attnum
