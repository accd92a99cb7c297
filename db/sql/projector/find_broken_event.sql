-- The first event that is not what its predecessor, its payload or its neighbours say; called by projector/verify.py and
-- db/log_import.py.
SELECT position,
       CASE
           WHEN position <> previous_position + 1 THEN 'a gap before it'
           WHEN recorded_at <= previous_recorded_at THEN 'recorded before its predecessor'
           WHEN payload IS NOT NULL AND payload_digest <> sha256(salt || convert_to(payload::text, 'UTF8'))
               THEN 'its payload is not what its digest covers'
           ELSE 'its link does not follow from its predecessor'
       END AS fault
FROM (
    SELECT e.*,
           lag(position, 1, 0::bigint) OVER log_order AS previous_position,
           lag(recorded_at) OVER log_order AS previous_recorded_at,
           lag(link, 1, decode(repeat('00', 32), 'hex')) OVER log_order AS previous_link
    FROM log.event e
    WINDOW log_order AS (ORDER BY position)
) AS chained
WHERE position <> previous_position + 1
   OR recorded_at <= previous_recorded_at
   OR (payload IS NOT NULL AND payload_digest <> sha256(salt || convert_to(payload::text, 'UTF8')))
   OR link <> log.link(
        previous_link, position, event_id, stream, version, type, schema_version, effective_at, effective_until,
        recorded_at, command_id, ordinal, metadata::text, payload_digest
      )
ORDER BY position
LIMIT 1
