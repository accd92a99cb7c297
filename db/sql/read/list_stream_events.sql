-- The next events about one entity, of some types where these are given: those of its stream, out of a window of its
-- versions, and the claims of keys that name it, in streams of their own. Bounds and what stands in front of each are as in
-- list_events.sql. The last version up to the position is found by halving: versions have no gaps, and positions rise with
-- them. For Feed.page.
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
), covered AS MATERIALIZED (
    SELECT coalesce((SELECT position FROM log.event
                     WHERE stream = %(stream)s::text AND version = begun.version + %(window)s::integer), head.position) AS position
    FROM head CROSS JOIN begun
), listed AS (
    SELECT * FROM (
        (SELECT e.* FROM begun CROSS JOIN LATERAL (
            SELECT * FROM log.event
            WHERE stream = %(stream)s::text AND version > begun.version AND version <= begun.version + %(window)s::integer
              AND (%(types)s::text[] IS NULL OR type = ANY (%(types)s::text[]))
            ORDER BY version
            LIMIT %(limit)s::integer
        ) e)
        UNION ALL
        (SELECT e.* FROM covered CROSS JOIN LATERAL (
            SELECT * FROM log.event
            WHERE type = 'ExternalKeyClaimed' AND payload #>> '{data,entity_uid}' = %(entity_uid)s::uuid::text
              AND position > %(after)s::bigint AND position <= covered.position
              AND (%(types)s::text[] IS NULL OR 'ExternalKeyClaimed' = ANY (%(types)s::text[]))
            ORDER BY position
            LIMIT %(limit)s::integer
        ) e)
    ) both_kinds
    ORDER BY position
    LIMIT %(limit)s::integer
), measured AS (
    SELECT listed.*, count(*) OVER () AS found, sum(pg_column_size(payload)) OVER before AS bytes
    FROM listed
    WINDOW before AS (ORDER BY position ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
), told AS (
    SELECT measured.*, sum(octet_length(payload::text)) OVER before AS told_bytes
    FROM measured
    WHERE coalesce(bytes, 0) < %(bytes)s::bigint
    WINDOW before AS (ORDER BY position ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
)
SELECT head.position AS head, covered.position AS covered, e.*
FROM head
CROSS JOIN covered
LEFT JOIN LATERAL (
    SELECT found, position, event_id, stream, version, type, schema_version, effective_at,
           nullif(effective_until, 'infinity') AS effective_until,
           coalesce(effective_until = 'infinity', false) AS is_for_good,
           recorded_at, payload::text, metadata::text
    FROM told
    WHERE coalesce(told_bytes, 0) < %(bytes)s::bigint
) e ON true
ORDER BY e.position
