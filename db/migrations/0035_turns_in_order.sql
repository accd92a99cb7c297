-- What begins and what ends, in the order of instants: for the pages of what is scheduled, and for how much that is.

-- Where versions of entities begin: what of their rows tells of it, since which position that is known, and until which one
-- the row was believed. These are inlined.
CREATE FUNCTION read_model.version_starts() RETURNS TABLE (
    id bigint, entity_uid uuid, at timestamptz, detail_type text, value text, entity_type text, recorded timestamptz,
    since bigint, until bigint, is_superseded boolean
) LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT v.id, v.entity_uid, v.valid_from, NULL::text, v.display_name, v.entity_type, v.created_at,
           v.recorded_from_position, NULL::bigint, false
    FROM read_model.entity_version v
    UNION ALL
    SELECT v.id, v.entity_uid, v.valid_from, NULL, v.display_name, v.entity_type, v.created_at,
           v.recorded_from_position, v.recorded_to_position, true
    FROM read_model.entity_version_superseded v;
END;

-- Where they end, and where details begin and end.
CREATE FUNCTION read_model.other_turns() RETURNS TABLE (
    id bigint, entity_uid uuid, at timestamptz, detail_type text, value text, entity_type text, recorded timestamptz,
    since bigint, until bigint, is_superseded boolean
) LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT v.id, v.entity_uid, v.valid_to, NULL::text, v.display_name, v.entity_type, v.updated_at,
           v.valid_to_known_position, NULL::bigint, false
    FROM read_model.entity_version v
    UNION ALL
    SELECT v.id, v.entity_uid, v.valid_from, v.detail_type, v.detail_value, NULL, v.created_at,
           v.recorded_from_position, NULL, false
    FROM read_model.entity_detail_version v
    UNION ALL
    SELECT v.id, v.entity_uid, v.valid_to, v.detail_type, v.detail_value, NULL, v.updated_at,
           v.valid_to_known_position, NULL, false
    FROM read_model.entity_detail_version v
    UNION ALL
    SELECT v.id, v.entity_uid, v.valid_to, NULL, v.display_name, v.entity_type, v.updated_at,
           v.valid_to_known_position, v.recorded_to_position, true
    FROM read_model.entity_version_superseded v
    UNION ALL
    SELECT v.id, v.entity_uid, v.valid_from, v.detail_type, v.detail_value, NULL, v.created_at,
           v.recorded_from_position, v.recorded_to_position, true
    FROM read_model.entity_detail_version_superseded v
    UNION ALL
    SELECT v.id, v.entity_uid, v.valid_to, v.detail_type, v.detail_value, NULL, v.updated_at,
           v.valid_to_known_position, v.recorded_to_position, true
    FROM read_model.entity_detail_version_superseded v;
END;

CREATE FUNCTION read_model.turns() RETURNS TABLE (
    id bigint, entity_uid uuid, at timestamptz, detail_type text, value text, entity_type text, recorded timestamptz,
    since bigint, until bigint, is_superseded boolean
) LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT * FROM read_model.version_starts()
    UNION ALL
    SELECT * FROM read_model.other_turns();
END;

-- The first instants from one on at which something of an entity begins or ends, as known at a position: up to when that was
-- recorded by the indexes of all, behind it by those of what was recorded ahead. By its index versions that begin at one
-- instant are in another order than these instants are: so they are taken instant by instant.
CREATE FUNCTION read_model.turns_from(
    low timestamptz, low_uid uuid, known bigint, recorded_by timestamptz, with_superseded boolean, most bigint
) RETURNS TABLE (at timestamptz, entity_uid uuid) LANGUAGE sql STABLE PARALLEL SAFE
SET enable_seqscan = off SET enable_bitmapscan = off SET plan_cache_mode = force_generic_plan
BEGIN ATOMIC
    SELECT p.at, p.entity_uid
    FROM (
        (SELECT t.at, t.entity_uid FROM read_model.other_turns() t
         WHERE (t.at, t.entity_uid) >= (low, low_uid) AND t.at <= recorded_by
           AND t.since <= known AND (NOT t.is_superseded OR with_superseded AND t.until > known)
         GROUP BY t.at, t.entity_uid ORDER BY t.at, t.entity_uid LIMIT most)
        UNION ALL
        (SELECT i.at, s.entity_uid
         FROM (SELECT low
               UNION
               (SELECT t.at FROM read_model.version_starts() t
                WHERE t.at > low AND t.at <= recorded_by
                  AND t.since <= known AND (NOT t.is_superseded OR with_superseded AND t.until > known)
                ORDER BY t.at LIMIT most)) i (at)
         CROSS JOIN LATERAL (
             SELECT t.entity_uid FROM read_model.version_starts() t
             WHERE t.at = i.at AND t.at <= recorded_by
               AND t.entity_uid >= CASE WHEN i.at = low THEN low_uid ELSE '00000000-0000-0000-0000-000000000000' END
               AND t.since <= known AND (NOT t.is_superseded OR with_superseded AND t.until > known)
             ORDER BY t.entity_uid LIMIT most) s)
        UNION ALL
        (SELECT t.at, t.entity_uid FROM read_model.turns() t
         WHERE (t.at, t.entity_uid) >= (greatest(low, recorded_by), low_uid) AND t.at > recorded_by AND t.recorded < t.at
           AND t.since <= known AND (NOT t.is_superseded OR with_superseded AND t.until > known)
         GROUP BY t.at, t.entity_uid ORDER BY t.at, t.entity_uid LIMIT most)
    ) p
    GROUP BY p.at, p.entity_uid ORDER BY p.at, p.entity_uid LIMIT most;
END;

-- The same backwards: the last instants up to one, down to another.
CREATE FUNCTION read_model.turns_up_to(
    low timestamptz, high timestamptz, high_uid uuid, known bigint, recorded_by timestamptz, with_superseded boolean,
    most bigint
) RETURNS TABLE (at timestamptz, entity_uid uuid) LANGUAGE sql STABLE PARALLEL SAFE
SET enable_seqscan = off SET enable_bitmapscan = off SET plan_cache_mode = force_generic_plan
BEGIN ATOMIC
    WITH walked AS (
        SELECT least(high, recorded_by) AS at,
               CASE WHEN high <= recorded_by THEN high_uid ELSE 'ffffffff-ffff-ffff-ffff-ffffffffffff' END AS entity_uid
    )
    SELECT p.at, p.entity_uid
    FROM (
        (SELECT t.at, t.entity_uid FROM read_model.other_turns() t
         WHERE (t.at, t.entity_uid) <= ((SELECT w.at FROM walked w), (SELECT w.entity_uid FROM walked w)) AND t.at >= low
           AND t.since <= known AND (NOT t.is_superseded OR with_superseded AND t.until > known)
         GROUP BY t.at, t.entity_uid ORDER BY t.at DESC, t.entity_uid DESC LIMIT most)
        UNION ALL
        (SELECT i.at, s.entity_uid
         FROM (SELECT w.at FROM walked w
               UNION
               (SELECT t.at FROM read_model.version_starts() t
                WHERE t.at < (SELECT w.at FROM walked w) AND t.at >= low
                  AND t.since <= known AND (NOT t.is_superseded OR with_superseded AND t.until > known)
                ORDER BY t.at DESC LIMIT most)) i (at)
         CROSS JOIN LATERAL (
             SELECT t.entity_uid FROM read_model.version_starts() t
             WHERE t.at = i.at AND t.at >= low
               AND t.entity_uid <= CASE WHEN i.at = (SELECT w.at FROM walked w) THEN (SELECT w.entity_uid FROM walked w)
                                        ELSE 'ffffffff-ffff-ffff-ffff-ffffffffffff' END
               AND t.since <= known AND (NOT t.is_superseded OR with_superseded AND t.until > known)
             ORDER BY t.entity_uid DESC LIMIT most) s)
        UNION ALL
        (SELECT t.at, t.entity_uid FROM read_model.turns() t
         WHERE (t.at, t.entity_uid) <= (high, high_uid) AND t.at >= low AND t.at > recorded_by AND t.recorded < t.at
           AND t.since <= known AND (NOT t.is_superseded OR with_superseded AND t.until > known)
         GROUP BY t.at, t.entity_uid ORDER BY t.at DESC, t.entity_uid DESC LIMIT most)
    ) p
    GROUP BY p.at, p.entity_uid ORDER BY p.at DESC, p.entity_uid DESC LIMIT most;
END;

-- Those of one entity. It is inlined.
CREATE FUNCTION read_model.turns_of(uid uuid, known bigint) RETURNS TABLE (
    at timestamptz, entity_uid uuid, detail_type text, value text, entity_type text
) LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT t.at, uid, r.detail_type, r.value, r.entity_type
    FROM read_model.rows_of(uid) r
    CROSS JOIN LATERAL (VALUES (r.valid_from, r.recorded_from_position), (r.valid_to, r.valid_to_known_position)) t (at, since)
    WHERE t.since <= known AND (r.recorded_to_position IS NULL OR r.recorded_to_position > known);
END;

-- Those of rows that have been superseded since a position, and of what had been recorded up to it.
CREATE FUNCTION read_model.turns_superseded_since(known bigint) RETURNS TABLE (at timestamptz, entity_uid uuid)
LANGUAGE sql STABLE PARALLEL SAFE SET enable_seqscan = off SET plan_cache_mode = force_generic_plan
BEGIN ATOMIC
    SELECT t.at, t.entity_uid FROM read_model.turns() t WHERE t.until > known AND t.since <= known;
END;

CREATE FUNCTION read_model.turns_recorded_until(known bigint) RETURNS TABLE (
    at timestamptz, entity_uid uuid, detail_type text, value text, entity_type text
) LANGUAGE sql STABLE PARALLEL SAFE SET enable_seqscan = off SET plan_cache_mode = force_generic_plan
BEGIN ATOMIC
    SELECT t.at, t.entity_uid, t.detail_type, t.value, t.entity_type FROM read_model.turns() t
    WHERE t.id < (known + 1) * 65536 AND t.since <= known AND (t.until IS NULL OR t.until > known);
END;

-- All turns from one instant up to another, as known at a position.
CREATE FUNCTION read_model.turns_seen(
    low timestamptz, high timestamptz, known bigint, recorded_by timestamptz, is_past boolean
) RETURNS TABLE (at timestamptz, entity_uid uuid, detail_type text, value text, entity_type text)
LANGUAGE sql STABLE PARALLEL SAFE SET enable_seqscan = off SET plan_cache_mode = force_generic_plan
BEGIN ATOMIC
    SELECT t.at, t.entity_uid, t.detail_type, t.value, t.entity_type FROM read_model.turns() t
    WHERE t.at >= low AND t.at <= least(high, recorded_by)
      AND t.since <= known AND (NOT t.is_superseded OR is_past AND t.until > known)
    UNION ALL
    SELECT t.at, t.entity_uid, t.detail_type, t.value, t.entity_type FROM read_model.turns() t
    WHERE t.at >= low AND t.at <= high AND t.at > recorded_by AND t.recorded < t.at
      AND t.since <= known AND (NOT t.is_superseded OR is_past AND t.until > known);
END;

-- Whether these are few, from an instant on.
CREATE FUNCTION read_model.turns_are_few(low timestamptz, recorded_by timestamptz, is_past boolean) RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE
SET enable_seqscan = off SET enable_bitmapscan = off SET plan_cache_mode = force_generic_plan
BEGIN ATOMIC
    SELECT count(*) < 5000
    FROM (SELECT FROM read_model.turns() t
          WHERE t.at >= low AND t.at <= recorded_by AND (NOT t.is_superseded OR is_past)
          UNION ALL
          SELECT FROM read_model.turns() t
          WHERE t.at >= low AND t.at > recorded_by AND t.recorded < t.at AND (NOT t.is_superseded OR is_past)
          LIMIT 5000) t;
END;

-- How many fields change from an instant on, where these are many: each begin and each end is as many as the fields of its
-- row; where one row takes the place of another, both are what differs. Rows that touch differ, so does the fold promise.
CREATE FUNCTION read_model.changes_from(low timestamptz) RETURNS bigint
LANGUAGE sql STABLE PARALLEL SAFE SET work_mem = '32MB' SET max_parallel_workers_per_gather = 0
BEGIN ATOMIC
    SELECT 3 * ((SELECT count(*) FROM read_model.entity_version v WHERE v.valid_from >= low)
                + (SELECT count(*) FROM read_model.entity_version v WHERE v.valid_to >= low))
           + (SELECT count(*) FILTER (
                         WHERE b.entity_type <> a.entity_type
                           AND (SELECT v.display_name FROM read_model.entity_version v WHERE v.id = b.id)
                               <> (SELECT v.display_name FROM read_model.entity_version v WHERE v.id = a.id))
                     - 5 * count(*)
              FROM read_model.entity_version a
              JOIN read_model.entity_version b ON b.entity_uid = a.entity_uid AND b.valid_to = a.valid_from
              WHERE a.valid_from >= low AND b.valid_to >= low)
           + (SELECT count(*) FROM read_model.entity_detail_version v WHERE v.valid_from >= low)
           + (SELECT count(*) FROM read_model.entity_detail_version v WHERE v.valid_to >= low)
           - (SELECT count(*)
              FROM (SELECT v.entity_uid, v.detail_type, v.valid_to FROM read_model.entity_detail_version v
                    WHERE v.valid_to >= low ORDER BY v.entity_uid, v.detail_type OFFSET 0) b -- along the index
              WHERE EXISTS (
                  SELECT FROM read_model.entity_detail_version a
                  WHERE a.entity_uid = b.entity_uid AND a.detail_type = b.detail_type AND a.valid_from = b.valid_to OFFSET 0));
END;

-- The same by what was known at a position.
CREATE FUNCTION read_model.changes_known_from(low timestamptz, known bigint) RETURNS bigint
LANGUAGE sql STABLE PARALLEL SAFE SET work_mem = '32MB' SET max_parallel_workers_per_gather = 0 SET enable_nestloop = off
    SET enable_mergejoin = off
BEGIN ATOMIC
    WITH entities AS NOT MATERIALIZED (
        SELECT * FROM read_model.entity_version_known(known)
    ), details AS NOT MATERIALIZED (
        SELECT * FROM read_model.entity_detail_version_known(known)
    )
    SELECT (SELECT 3 * coalesce(sum((v.valid_from >= low)::integer + coalesce(v.valid_to >= low, false)::integer), 0)
            FROM entities v)
           + (SELECT coalesce(sum((b.display_name <> a.display_name)::integer + (b.entity_type <> a.entity_type)::integer - 6), 0)
              FROM entities a JOIN entities b ON b.entity_uid = a.entity_uid AND b.valid_to = a.valid_from
              WHERE a.valid_from >= low AND b.valid_to >= low)
           + (SELECT coalesce(sum((v.valid_from >= low)::integer + coalesce(v.valid_to >= low, false)::integer), 0)
              FROM details v)
           - (SELECT count(*)
              FROM details a
              JOIN details b ON b.entity_uid = a.entity_uid AND b.detail_type = a.detail_type AND b.valid_to = a.valid_from
              WHERE a.valid_from >= low AND b.valid_to >= low);
END;

-- What was still believed of details at a position of late is little, as of entities.
CREATE INDEX entity_detail_version_superseded_until ON read_model.entity_detail_version_superseded (recorded_to_position);
