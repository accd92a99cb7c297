-- Whether anything was ever recorded; called by db/log_import.py.
SELECT EXISTS (SELECT FROM log.event)
