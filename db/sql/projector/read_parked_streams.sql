-- The streams that have a parked event; called by projector/batch.py when a projector begins to lead,
-- and by cockpit/parked_cli.py.
SELECT DISTINCT stream FROM parked_event
