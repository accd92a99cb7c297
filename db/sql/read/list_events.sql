-- The next events of the log, of some types where these are given, out of a window of positions, and of so many bytes at
-- most, but one at least; in front of each the head of the log, up to where it was looked at, and how many there were
-- without the bound of bytes. What is stored is counted first, since to count what it says is to read it. For Feed.page.
WITH head AS MATERIALIZED (
    SELECT coalesce((SELECT position FROM log.event ORDER BY position DESC LIMIT 1), 0) AS position
), listed AS (
    SELECT * FROM log.event
    WHERE position > %(after)s::bigint AND position <= %(window_end)s::bigint
      AND (%(types)s::text[] IS NULL OR type = ANY (%(types)s::text[]))
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
SELECT head.position AS head, least(head.position, %(window_end)s::bigint) AS covered, e.*
FROM head
LEFT JOIN LATERAL (
    SELECT found, position, event_id, stream, version, type, schema_version, effective_at,
           nullif(effective_until, 'infinity') AS effective_until,
           coalesce(effective_until = 'infinity', false) AS is_for_good,
           recorded_at, payload::text, metadata::text
    FROM told
    WHERE coalesce(told_bytes, 0) < %(bytes)s::bigint
) e ON true
ORDER BY e.position
