-- The events that are parked; called by projector/verify.py.
SELECT position FROM parked_event
