-- What is committed from here on need not be on disk at once: a crash of the server may take back the last batches, rows
-- and checkpoint together, and the log has their events; called by projector/batch.py when a projector begins to lead.
SET synchronous_commit = off
