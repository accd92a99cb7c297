-- Set an event aside that cannot be folded; called by projector/rows.py.
INSERT INTO parked_event (position, stream, reason)
VALUES (%(position)s::bigint, %(stream)s::text, %(reason)s::text)
