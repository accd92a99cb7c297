-- How the database is, for /ping/, /readyz and `cockpit status`; called by cockpit/health.py and cockpit/database_cli.py.
SELECT
    current_setting('server_version') AS postgresql_version,
    coalesce((SELECT position FROM log.event ORDER BY position DESC LIMIT 1), 0) AS head_position,
    (SELECT position FROM checkpoint WHERE name = 'read_model') AS checkpoint,
    (SELECT count(*) FROM parked_event) AS parked,
    (SELECT count(DISTINCT stream) FROM parked_event) AS parked_streams,
    (SELECT count(*) FROM pg_constraint
     WHERE conname IN ('exclude_overlapping_entities', 'exclude_overlapping_entity_details')
       AND connamespace = 'read_model'::regnamespace AND convalidated) = 2 AS has_constraints,
    to_regclass('read_model.audit_entry') IS NOT NULL AS has_audit,
    EXISTS (SELECT FROM pg_trigger WHERE tgname = 'event_is_immutable' AND tgenabled = 'A') AS is_immutable,
    EXISTS (
        SELECT FROM pg_locks
        WHERE locktype = 'advisory' AND classid = 4011 AND objid = 3 AND granted
          AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
    ) AS has_projector
