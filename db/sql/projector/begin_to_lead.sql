-- How the connection works that a projector leads by; called by projector/batch.py when it begins to.
-- What is committed from here on need not be on disk at once: a crash of the server may take back the last batches, rows
-- and checkpoint together, and the log has their events.
-- What a batch asks and writes is planned once, for any keys, and goes by indexes however small a table is then: it grows.
-- Planned for the keys of each call, what a lone event takes was planned at every call, since one key looks cheaper than
-- any number of them.
SELECT set_config('synchronous_commit', 'off', false),
       set_config('plan_cache_mode', 'force_generic_plan', false),
       set_config('enable_seqscan', 'off', false)
