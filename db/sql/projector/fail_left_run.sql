-- Give up a run whose process ended before it did; called by projector/requested.py.
UPDATE projection.rebuild
SET phase = 'failed', finished_at = clock_timestamp(),
    error = format('the process that did it has ended, at attempt %%s in phase %%s', attempts, phase)
WHERE id = %(id)s::bigint AND finished_at IS NULL
