-- Charge an attempt to log in to its buckets, refilled up to now, and return what each has left: below zero means that
-- there was not enough, and the caller rolls back. Called by LoginLimiter.take.
-- Rows are locked in order of their names, so that two attempts cannot wait for each other.
INSERT INTO auth.login_bucket AS held (bucket, failures_left, refilled_at)
SELECT bucket, %(capacity)s::double precision - cost, clock_timestamp()
FROM unnest(%(buckets)s::text[], %(costs)s::double precision[]) AS charged (bucket, cost)
ORDER BY bucket
ON CONFLICT (bucket) DO UPDATE
SET failures_left = least(
        %(capacity)s::double precision,
        held.failures_left
        + greatest(0, extract(epoch FROM excluded.refilled_at - held.refilled_at)) / %(refill_seconds)s::double precision
    ) - (%(capacity)s::double precision - excluded.failures_left),
    refilled_at = greatest(held.refilled_at, excluded.refilled_at)
RETURNING failures_left
