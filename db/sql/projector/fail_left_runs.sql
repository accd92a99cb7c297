-- Runs whose process ended before they did; called by projector/runs.py, under the lock of the one that goes on.
UPDATE projection.rebuild
SET phase = 'failed', finished_at = now(), error = 'the process that did it has ended'
WHERE finished_at IS NULL
