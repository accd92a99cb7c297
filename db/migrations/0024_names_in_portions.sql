-- The index of parts of names takes what comes in portions of 1 MB, no longer 256 kB: a trigram that many of the names
-- have is then looked for once. A search reads what has not been taken yet, 128 pages at most.
DO $$
DECLARE
    parts regclass;
BEGIN
    FOREACH parts IN ARRAY ARRAY[to_regclass('read_model.entity_version_name_parts'),
                                 to_regclass('read_model.entity_version_superseded_name_parts')] LOOP
        IF parts IS NOT NULL THEN -- a server without pg_trgm does not have them
            EXECUTE format('ALTER INDEX %s SET (gin_pending_list_limit = 1024)', parts);
        END IF;
    END LOOP;
END $$;
