-- The streams that part the log up to a position into shares of about as many events each, judged by some that lie at
-- even distances in it; called by projector/shares.py.
SELECT percentile_disc(%(parts)s::float8[]) WITHIN GROUP (ORDER BY stream)
FROM log.event
WHERE position = ANY (ARRAY(
    SELECT n FROM generate_series(1, %(up_to)s::bigint, greatest(1, %(up_to)s::bigint / 1000)) AS n
))
