-- Tell who waits how far the read model is; called by projector/batch.py, heard by read_side/waiting.py.
SELECT pg_notify('cockpit_projected', %(position)s::bigint::text)
