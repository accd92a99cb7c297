-- The events that are parked: the read model is without them; called by projector/verify.py.
SELECT position FROM parked_event
