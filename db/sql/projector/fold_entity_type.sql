-- Bring entity types up to date, a NULL leaving what is there; called by projector/rows.py, an event at a time.
INSERT INTO entity_type AS t (code, name, description, is_active)
VALUES (%(code)s::text, coalesce(%(name)s::text, ''), coalesce(%(description)s::text, ''), coalesce(%(is_active)s::boolean, true))
ON CONFLICT (code) DO UPDATE
SET name = coalesce(%(name)s::text, t.name), description = coalesce(%(description)s::text, t.description),
    is_active = coalesce(%(is_active)s::boolean, t.is_active)
