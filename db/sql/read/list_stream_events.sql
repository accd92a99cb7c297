-- The next events of one stream, of some types where these are given, out of a window of its versions; in front of each
-- the head of the log, and up to where it was looked at. The last version up to the position is found by halving: versions
-- have no gaps, and positions rise with them. For Feed.page.
WITH RECURSIVE head AS MATERIALIZED (
    SELECT coalesce((SELECT position FROM log.event ORDER BY position DESC LIMIT 1), 0) AS position,
           coalesce((SELECT version FROM log.event WHERE stream = %(stream)s::text ORDER BY version DESC LIMIT 1), 0) AS last
), half AS (
    SELECT 0 AS low, last AS high FROM head
    UNION ALL
    SELECT CASE WHEN e.position <= %(after)s::bigint THEN e.version ELSE half.low END,
           CASE WHEN e.position <= %(after)s::bigint THEN half.high ELSE e.version - 1 END
    FROM half
    JOIN log.event e ON e.stream = %(stream)s::text AND e.version = (half.low + half.high + 1) / 2
    WHERE half.low < half.high
), begun AS MATERIALIZED (
    SELECT low AS version FROM half WHERE low = high
)
SELECT h.position AS head,
       coalesce((SELECT position FROM log.event
                 WHERE stream = %(stream)s::text AND version = begun.version + %(window)s::integer), h.position) AS covered,
       e.*
FROM head h
CROSS JOIN begun
LEFT JOIN LATERAL (
    SELECT position, event_id, stream, version, type, schema_version, effective_at,
           nullif(effective_until, 'infinity') AS effective_until,
           coalesce(effective_until = 'infinity', false) AS is_for_good,
           recorded_at, payload::text, metadata::text
    FROM log.event
    WHERE stream = %(stream)s::text AND version > begun.version AND version <= begun.version + %(window)s::integer
      AND (%(types)s::text[] IS NULL OR type = ANY (%(types)s::text[]))
    ORDER BY version
    LIMIT %(limit)s::integer
) e ON true
ORDER BY e.position
