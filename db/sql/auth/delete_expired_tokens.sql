-- Forget tokens that open nothing any more; called by LoginLimiter.tidy.
DELETE FROM auth.token
WHERE expires_at < clock_timestamp()
