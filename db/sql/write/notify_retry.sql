-- Ask the projector to fold again what is parked at a position; called by write_side/event_store.py, heard by
-- projector/worker.py.
SELECT pg_notify('cockpit_retry', %(position)s::bigint::text)
