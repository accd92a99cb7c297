-- Forget buckets that time has filled again: a full one and none are the same. Called by LoginLimiter.tidy.
-- Rows that an attempt holds are skipped, so that nobody waits.
DELETE FROM auth.login_bucket
WHERE bucket IN (
    SELECT bucket
    FROM auth.login_bucket
    WHERE refilled_at < clock_timestamp() - make_interval(secs => %(full_seconds)s::double precision)
    FOR UPDATE SKIP LOCKED
)
