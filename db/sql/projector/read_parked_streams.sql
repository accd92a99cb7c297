-- The streams that have a parked event; called by projector/batch.py when a projector begins to lead.
SELECT DISTINCT stream FROM parked_event
