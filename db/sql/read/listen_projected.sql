-- Hear of every batch of the projector; issued by read_side/waiting.py on its own connection.
LISTEN cockpit_projected
