-- Take the append lock until the transaction ends, in a statement of its own: the next ones see what is committed by then;
-- called by db/log_import.py.
SELECT pg_advisory_xact_lock(4011, 1)
