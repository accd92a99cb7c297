-- How many entities differ over a long window, and by what was known a while ago. Functions are made in a new set in the order
-- in which they were made here, so the one that calls a new one is made anew. The one before goes by another name until the
-- next migration: a statement under way goes on with it.
ALTER FUNCTION read_model.differing_between RENAME TO differing_between_before;

-- Whether what an entity has differs between two instants, by what is known now. Names are in the index; details are looked
-- at in the table only where the index has some at one of both instants alone. It is inlined.
CREATE FUNCTION read_model.contents_between(uid uuid, start timestamptz, until timestamptz) RETURNS TABLE (is_there boolean)
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT (SELECT max(v.hashdiff) FILTER (WHERE v.valid_from <= start AND (v.valid_to IS NULL OR v.valid_to > start))
                   IS DISTINCT FROM max(v.hashdiff) FILTER (WHERE v.valid_to IS NULL OR v.valid_to > until)
            FROM read_model.entity_version v
            WHERE v.entity_uid = uid AND v.valid_from <= until)
        OR EXISTS (SELECT FROM read_model.entity_detail_version v
                   WHERE v.entity_uid = uid AND v.valid_from <= until AND (v.valid_to IS NULL OR v.valid_to > start)
                     AND (v.valid_from <= start) <> (v.valid_to IS NULL OR v.valid_to > until)
                   OFFSET 0)
       AND (SELECT array_agg(v.hashdiff ORDER BY v.detail_type) FILTER (
                       WHERE v.valid_from <= start AND (v.valid_to IS NULL OR v.valid_to > start))
                   IS DISTINCT FROM
                   array_agg(v.hashdiff ORDER BY v.detail_type) FILTER (WHERE v.valid_to IS NULL OR v.valid_to > until)
            FROM read_model.entity_detail_version v
            WHERE v.entity_uid = uid AND v.valid_from <= until);
END;

-- How many entities differ between two instants, by what is known now, told by sets. More rows that begin than end, or less:
-- it has one more or one less than before. All at one instant: rows that touch differ, so does the fold promise. Of what is
-- left, which is little, contents are compared. As for changes, whatever begins or ends is one.
CREATE FUNCTION read_model.differing_between(mode text, start timestamptz, until timestamptz) RETURNS bigint
LANGUAGE sql STABLE PARALLEL SAFE SET work_mem = '32MB'
    SET max_parallel_workers_per_gather = 0
BEGIN ATOMIC
    SELECT count(*)
    FROM (
        SELECT t.entity_uid, sum(t.sign) <> 0 OR min(t.at) = max(t.at) AS is_told
        FROM read_model.turns_between(start, until) t
        GROUP BY t.entity_uid
    ) c
    WHERE c.is_told OR mode = 'changes'
       OR (SELECT d.is_there FROM read_model.contents_between(c.entity_uid, start, until) d);
END;

-- The same over a window in which a good part of all rows begins or ends: then it is cheaper to pass all of them in the order
-- of entities, as two indexes have them, than to gather entities. What begins and ends in between counts for nothing here.
CREATE FUNCTION read_model.differing_in_order(mode text, start timestamptz, until timestamptz) RETURNS bigint
LANGUAGE sql STABLE PARALLEL SAFE SET enable_hashagg = off SET enable_sort = off SET enable_seqscan = off
    SET enable_bitmapscan = off SET max_parallel_workers_per_gather = 0
BEGIN ATOMIC
    SELECT CASE WHEN mode = 'changes' THEN (
        SELECT count(*)
        FROM (
            SELECT DISTINCT v.entity_uid
            FROM (SELECT entity_uid, valid_from, valid_to FROM read_model.entity_version
                  UNION ALL
                  SELECT entity_uid, valid_from, valid_to FROM read_model.entity_detail_version) v
            WHERE v.valid_from > start AND v.valid_from <= until OR v.valid_to > start AND v.valid_to <= until
        ) c
    ) ELSE (
        SELECT count(*)
        FROM (
            SELECT v.entity_uid, min(v.at) AS first_at,
                   sum(CASE WHEN v.began THEN 1 ELSE -1 END) FILTER (WHERE v.at IS NOT NULL) <> 0
                   OR min(v.at) = max(v.at) AS is_told
            FROM (
                SELECT v.entity_uid, v.valid_from > start AS began,
                       CASE WHEN v.valid_from <= start THEN v.valid_to
                            WHEN v.valid_to IS NULL OR v.valid_to > until THEN v.valid_from END AS at
                FROM (SELECT entity_uid, valid_from, valid_to FROM read_model.entity_version
                      UNION ALL
                      SELECT entity_uid, valid_from, valid_to FROM read_model.entity_detail_version) v
                WHERE v.valid_from > start AND v.valid_from <= until OR v.valid_to > start AND v.valid_to <= until
            ) v
            GROUP BY v.entity_uid
        ) c
        WHERE c.first_at IS NOT NULL
          AND (c.is_told OR (SELECT d.is_there FROM read_model.contents_between(c.entity_uid, start, until) d))
    ) END;
END;

-- How many more differed by what was known at a position than by what is known now, up to the position that was reached: it
-- hangs on the entities with an event since then.
CREATE FUNCTION read_model.differing_before(
    mode text, start timestamptz, until timestamptz, known bigint, reached bigint
) RETURNS bigint LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT coalesce(sum(
        (SELECT d.is_there FROM read_model.difference_of(c.entity_uid, mode, start, until, known, known) d)::integer
        - (SELECT d.is_there FROM read_model.difference_of(c.entity_uid, mode, start, until, reached, reached) d)::integer), 0)
    FROM (
        SELECT DISTINCT e.entity_uid
        FROM (SELECT e.entity_uid FROM read_model.audit_entry e WHERE e.audit_id >= (known + 1) * 65536
              ORDER BY e.audit_id OFFSET 0) e -- in order: where nobody knows how few they are, it is read through the index, too
    ) c;
END;
