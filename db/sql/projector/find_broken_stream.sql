-- The first event whose version does not follow in its stream; called by projector/verify.py.
SELECT position, format('version %s of %s, where version %s is due', version, stream, due)
FROM (
    SELECT position, stream, version, row_number() OVER (PARTITION BY stream ORDER BY version) AS due FROM log.event
) AS counted
WHERE version <> due
ORDER BY position
LIMIT 1
