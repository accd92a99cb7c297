-- What keeps reads flat as data grows: indexes for what was sorted or searched through whole tables.

-- By name, and by any part of a name. Without pg_trgm, which comes with PostgreSQL's contrib modules and may be created by
-- whoever may create btree_gist, a rare word is looked for in all names.
CREATE INDEX entity_version_by_name ON read_model.entity_version (search_name COLLATE "C", entity_uid);
DO $$
DECLARE
    parts text;
BEGIN
    IF EXISTS (SELECT FROM pg_available_extensions WHERE name = 'pg_trgm') THEN
        CREATE EXTENSION IF NOT EXISTS pg_trgm WITH SCHEMA public;
        SELECT format('USING gin (search_name %I.gin_trgm_ops) WITH (gin_pending_list_limit = 256)', n.nspname) INTO parts
            FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'pg_trgm';
        EXECUTE 'CREATE INDEX entity_version_name_parts ON read_model.entity_version ' || parts;
        EXECUTE 'CREATE INDEX entity_version_superseded_name_parts ON read_model.entity_version_superseded ' || parts;
    END IF;
EXCEPTION WHEN insufficient_privilege OR feature_not_supported THEN -- it is listed, and this server does not give it
    RAISE NOTICE 'without pg_trgm: %', SQLERRM;
END $$;

-- Newest first, and what is skipped, or has ended by then, is told by the index alone. The next migration puts these in the
-- place of those before: to build them keeps no reader waiting, to drop an index does.
CREATE INDEX entity_version_current_covering ON read_model.entity_version (valid_from DESC, entity_uid) INCLUDE (valid_to, id)
    WHERE is_current;
CREATE INDEX entity_version_current_by_type_covering ON read_model.entity_version (entity_type, valid_from DESC, entity_uid)
    INCLUDE (valid_to, id) WHERE is_current;
CREATE INDEX entity_version_starts_covering ON read_model.entity_version (valid_from DESC, entity_uid) INCLUDE (valid_to, id);
CREATE INDEX entity_version_starts_by_type ON read_model.entity_version (entity_type, valid_from DESC, entity_uid)
    INCLUDE (valid_to, id);
CREATE INDEX entity_version_superseded_starts_covering ON read_model.entity_version_superseded (valid_from DESC, entity_uid);

-- What was still believed at a position of late is little, however much was superseded before.
CREATE INDEX entity_version_superseded_until ON read_model.entity_version_superseded (recorded_to_position);
CREATE INDEX entity_detail_version_superseded_hash ON read_model.entity_detail_version_superseded (hashdiff);

-- Scans that an index alone answers need pages that are marked as visible to all, and the planner needs to know how far the
-- tables have grown: both after one change of fifty, where PostgreSQL would wait for one of five or ten. Rows that never
-- change are frozen the first time they are looked at, and the old part of a large table never again.
ALTER TABLE log.event SET (
    autovacuum_vacuum_insert_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.02, autovacuum_freeze_min_age = 0
);
ALTER TABLE read_model.audit_entry SET (
    autovacuum_vacuum_insert_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.02, autovacuum_freeze_min_age = 0
);
ALTER TABLE read_model.entity_version SET (
    autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_insert_scale_factor = 0.02,
    autovacuum_analyze_scale_factor = 0.02
);
ALTER TABLE read_model.entity_detail_version SET (
    autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_insert_scale_factor = 0.02,
    autovacuum_analyze_scale_factor = 0.02
);

-- Receipts are found by age through the blocks they were written to, about in that order: an index of a few pages.
CREATE INDEX command_receipt_by_time ON log.command_receipt USING brin (recorded_at);

-- Forget receipts of before an instant, so many at most: writers wait for no more. Return how many these were. A request that
-- is repeated after that is a new one. What is younger than a day stays, and so does the receipt of a command that changed
-- nothing: nothing else tells that it was executed.
CREATE FUNCTION log.forget_receipts(before timestamptz, most integer) RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    forgotten bigint;
BEGIN
    DELETE FROM log.command_receipt r WHERE r.key = ANY (ARRAY(
        SELECT o.key FROM log.command_receipt o
        WHERE o.recorded_at < least(before, now() - interval '1 day') AND o.event_id IS NOT NULL
        LIMIT most
    ));
    GET DIAGNOSTICS forgotten = ROW_COUNT;
    RETURN forgotten;
END $$;
REVOKE ALL ON FUNCTION log.forget_receipts FROM PUBLIC;
