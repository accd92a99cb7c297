-- Append a batch of commands to the log, one verdict a command in their order; called by write_side/event_store.py.
-- Arrays go in binary: as text they take fifty times as long to write.
SELECT verdict, position, event_id, stream, version, recorded_at, status, request_digest
FROM log.append_events(
    %(streams)b::text[], %(command_ids)b::uuid[], %(command_streams)b::integer[], %(decided_untils)b::timestamptz[],
    %(receipt_keys)b::bytea[], %(receipt_digests)b::bytea[], %(receipt_statuses)b::smallint[],
    %(receipt_windows)b::interval[],
    %(expected_commands)b::integer[], %(expected_streams)b::integer[], %(expected_event_ids)b::uuid[],
    %(event_commands)b::integer[], %(event_streams)b::integer[], %(event_ids)b::uuid[], %(event_types)b::text[],
    %(event_schema_versions)b::smallint[], %(event_effective_ats)b::timestamptz[],
    %(event_effective_untils)b::text[]::timestamptz[], %(event_payloads)b::text[], %(event_salts)b::bytea[],
    %(event_metadatas)b::text[]
)
