-- The stream of the event that is parked at a position; called by projector/worker.py and cockpit/parked_cli.py.
SELECT stream FROM parked_event WHERE position = %(position)s::bigint
