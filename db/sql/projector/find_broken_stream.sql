-- The first event whose version does not follow in its stream, or stands before an earlier one; called by
-- projector/verify.py and db/log_import.py.
SELECT position,
       CASE WHEN version <> due THEN format('version %s of %s, where version %s is due', version, stream, due)
            ELSE format('version %s of %s stands before version %s', version, stream, version - 1) END
FROM (
    SELECT position, stream, version, row_number() OVER by_version AS due, lag(position) OVER by_version AS previous
    FROM log.event
    WINDOW by_version AS (PARTITION BY stream ORDER BY version)
) AS counted
WHERE version <> due OR position < previous
ORDER BY position
LIMIT 1
