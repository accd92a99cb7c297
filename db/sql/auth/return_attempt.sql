-- Give back what an attempt was charged, since it succeeded; called by LoginLimiter.give_back.
-- Rows are locked in order of their names, as take_attempt locks them.
WITH locked AS (
    SELECT held.bucket, charged.cost
    FROM auth.login_bucket AS held
    JOIN unnest(%(buckets)s::text[], %(costs)s::double precision[]) AS charged (bucket, cost) USING (bucket)
    ORDER BY held.bucket
    FOR UPDATE OF held
)
UPDATE auth.login_bucket AS held
SET failures_left = least(%(capacity)s::double precision, held.failures_left + locked.cost)
FROM locked
WHERE held.bucket = locked.bucket
