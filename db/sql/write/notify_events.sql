-- Wake the projector for events that did not come through log.append_events; called by db/log_import.py.
SELECT pg_notify('cockpit_event', %(position)s::text)
