-- A page of the log up to a position, NULL being its head, as db/log_lines.py writes it down; for Extracts.events.
SELECT head.position, now(), ARRAY[0, NULL]::bigint[] AS parked, e.*
FROM (SELECT coalesce(max(position), 0) AS position FROM log.event) head
LEFT JOIN LATERAL (
    SELECT position, event_id::text, stream, version, type, schema_version, effective_at::text, effective_until::text,
           recorded_at::text, payload::text, encode(salt, 'hex'), encode(payload_digest, 'hex'), encode(link, 'hex'),
           command_id::text, ordinal, metadata::text
    FROM log.event
    WHERE position > %(after)s::bigint AND position <= coalesce(%(until)s::bigint, head.position)
    ORDER BY position
    LIMIT %(limit)s::bigint
) e ON true
ORDER BY e.position
