-- Append a batch of commands to the log, one verdict a command in their order; called by write_side/event_store.py.
SELECT verdict, position, event_id, stream, version, recorded_at, status, request_digest
FROM log.append_events(
    %(streams)s::text[], %(command_ids)s::uuid[], %(command_streams)s::integer[], %(decided_untils)s::timestamptz[],
    %(receipt_keys)s::bytea[], %(receipt_digests)s::bytea[], %(receipt_statuses)s::smallint[],
    %(receipt_windows)s::interval[],
    %(expected_commands)s::integer[], %(expected_streams)s::integer[], %(expected_event_ids)s::uuid[],
    %(event_commands)s::integer[], %(event_streams)s::integer[], %(event_ids)s::uuid[], %(event_types)s::text[],
    %(event_schema_versions)s::smallint[], %(event_effective_ats)s::timestamptz[],
    %(event_effective_untils)s::text[]::timestamptz[], %(event_payloads)s::text[], %(event_salts)s::bytea[],
    %(event_metadatas)s::text[]
)
