-- The first of these tables that is not there; called by projector/sets.py.
SELECT name FROM unnest(%(names)s::text[]) AS name WHERE to_regclass(name) IS NULL LIMIT 1
