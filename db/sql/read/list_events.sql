-- The next events of the log, of some types where these are given, out of a window of positions; in front of each the
-- head of the log, and up to where it was looked at. For Feed.page.
SELECT h.position AS head, least(h.position, %(window_end)s::bigint) AS covered, e.*
FROM (SELECT coalesce((SELECT position FROM log.event ORDER BY position DESC LIMIT 1), 0) AS position) h
LEFT JOIN LATERAL (
    SELECT position, event_id, stream, version, type, schema_version, effective_at,
           nullif(effective_until, 'infinity') AS effective_until,
           coalesce(effective_until = 'infinity', false) AS is_for_good,
           recorded_at, payload::text, metadata::text
    FROM log.event
    WHERE position > %(after)s::bigint AND position <= %(window_end)s::bigint
      AND (%(types)s::text[] IS NULL OR type = ANY (%(types)s::text[]))
    ORDER BY position
    LIMIT %(limit)s::integer
) e ON true
ORDER BY e.position
