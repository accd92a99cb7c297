-- Hear of every batch that is appended to the log; issued by db/waiting.py on its own connection.
LISTEN cockpit_event
