-- Hear of every batch of the projector; issued by db/waiting.py on its own connection.
LISTEN cockpit_projected
