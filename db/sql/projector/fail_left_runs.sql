-- Runs whose process ended before they did; called by projector/runs.py, under the lock of the one that goes on.
UPDATE projection.rebuild
SET phase = 'failed', finished_at = now(), error = 'it was not done when another one began'
WHERE finished_at IS NULL
