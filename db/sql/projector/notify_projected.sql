-- Tell who waits how far the read model is; called by projector/batch.py, heard by db/waiting.py.
SELECT pg_notify('cockpit_projected', %(position)s::bigint::text)
