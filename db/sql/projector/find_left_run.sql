-- The run that is not finished, whether or not a process does it; called by projector/requested.py.
SELECT id, by_request, attempts FROM projection.rebuild WHERE finished_at IS NULL
