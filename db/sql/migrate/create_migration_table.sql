-- The record of which migrations were applied; called by db/migrate.py first of all.
CREATE TABLE IF NOT EXISTS public.cockpit_migration (
    name       text        PRIMARY KEY,
    digest     text        NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
);
