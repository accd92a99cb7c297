-- What a difference between two points hangs on, for the page of one and for how many there are.

-- Whether an entity differs between two points, in a mode, told by content; one condition a mode:
-- net:       what was believed at both points;
-- changes:   rows that begin or end in the window, or what began to be believed of its start against what ceased to be;
-- knowledge: what was believed of the window at both positions.
-- It is inlined; what another mode would sort is left out, since no plan hangs on the mode.
CREATE FUNCTION read_model.difference_of(
    uid uuid, mode text, start timestamptz, until timestamptz, known_from bigint, known_to bigint
) RETURNS TABLE (is_there boolean) LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT CASE mode
        WHEN 'net' THEN
            array_agg(r.hashdiff ORDER BY r.hashdiff) FILTER (
                WHERE mode = 'net' AND r.valid_from <= start AND r.recorded_from_position <= known_from
                  AND (r.recorded_to_position IS NULL OR r.recorded_to_position > known_from)
                  AND (r.valid_to IS NULL OR r.valid_to > start OR r.valid_to_known_position > known_from))
            IS DISTINCT FROM
            array_agg(r.hashdiff ORDER BY r.hashdiff) FILTER (
                WHERE mode = 'net' AND r.valid_from <= until
                  AND (r.recorded_to_position IS NULL OR r.recorded_to_position > known_to)
                  AND (r.valid_to IS NULL OR r.valid_to > until OR r.valid_to_known_position > known_to))
        WHEN 'changes' THEN
            coalesce(bool_or(
                (r.recorded_to_position IS NULL OR r.recorded_to_position > known_to)
                AND (r.valid_from > start
                     OR (r.valid_to > start AND r.valid_to <= until AND r.valid_to_known_position <= known_to))
            ), false)
            OR array_agg(r.recorded_from_position || ' ' || r.hashdiff ORDER BY r.recorded_from_position, r.hashdiff) FILTER (
                WHERE mode = 'changes' AND r.valid_from <= start AND r.recorded_from_position > known_from
                  AND (r.valid_to IS NULL OR r.valid_to > start OR r.valid_to_known_position > r.recorded_from_position))
            IS DISTINCT FROM
            array_agg(r.ceased || ' ' || r.hashdiff ORDER BY r.ceased, r.hashdiff) FILTER (
                WHERE mode = 'changes' AND r.valid_from <= start AND r.ceased > known_from AND r.ceased <= known_to
                  AND r.ceased > r.recorded_from_position)
        WHEN 'knowledge' THEN
            array_agg(r.hashdiff || ' ' || greatest(r.valid_from, start) || ' ' || least(r.shown_before, until)
                      ORDER BY r.hashdiff, r.valid_from) FILTER (
                WHERE mode = 'knowledge' AND r.valid_from < until AND r.recorded_from_position <= known_from
                  AND (r.recorded_to_position IS NULL OR r.recorded_to_position > known_from)
                  AND r.shown_before > start)
            IS DISTINCT FROM
            array_agg(r.hashdiff || ' ' || greatest(r.valid_from, start) || ' ' || least(r.shown_after, until)
                      ORDER BY r.hashdiff, r.valid_from) FILTER (
                WHERE mode = 'knowledge' AND r.valid_from < until
                  AND (r.recorded_to_position IS NULL OR r.recorded_to_position > known_to)
                  AND r.shown_after > start)
        END
    FROM (
        SELECT r.*,
               least(r.recorded_to_position, CASE WHEN r.valid_to <= start THEN r.valid_to_known_position END) AS ceased,
               CASE WHEN r.valid_to_known_position <= known_from THEN r.valid_to ELSE 'infinity' END AS shown_before,
               CASE WHEN r.valid_to_known_position <= known_to THEN r.valid_to ELSE 'infinity' END AS shown_after
        FROM read_model.rows_of(uid) r
        WHERE r.recorded_from_position <= known_to AND r.valid_from <= until
          AND (r.valid_to IS NULL OR r.valid_to > start OR r.valid_to_known_position > known_from)
    ) r;
END;

-- Where rows begin (1) or end (-1) in a window of valid time, by what is known now: an index has all of it. It is inlined.
CREATE FUNCTION read_model.turns_between(start timestamptz, until timestamptz) RETURNS TABLE (
    entity_uid uuid, at timestamptz, sign integer
) LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT v.entity_uid, v.valid_from, 1 FROM read_model.entity_version v
    WHERE v.valid_from > start AND v.valid_from <= until
    UNION ALL
    SELECT v.entity_uid, v.valid_to, -1 FROM read_model.entity_version v
    WHERE v.valid_to > start AND v.valid_to <= until
    UNION ALL
    SELECT v.entity_uid, v.valid_from, 1 FROM read_model.entity_detail_version v
    WHERE v.valid_from > start AND v.valid_from <= until
    UNION ALL
    SELECT v.entity_uid, v.valid_to, -1 FROM read_model.entity_detail_version v
    WHERE v.valid_to > start AND v.valid_to <= until;
END;

-- Those of rows that have been superseded since. It is inlined.
CREATE FUNCTION read_model.superseded_turns_between(start timestamptz, until timestamptz) RETURNS TABLE (entity_uid uuid)
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT v.entity_uid FROM read_model.entity_version_superseded v
    WHERE v.valid_from > start AND v.valid_from <= until
    UNION ALL
    SELECT v.entity_uid FROM read_model.entity_version_superseded v
    WHERE v.valid_to > start AND v.valid_to <= until
    UNION ALL
    SELECT v.entity_uid FROM read_model.entity_detail_version_superseded v
    WHERE v.valid_from > start AND v.valid_from <= until
    UNION ALL
    SELECT v.entity_uid FROM read_model.entity_detail_version_superseded v
    WHERE v.valid_to > start AND v.valid_to <= until;
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
       OR (SELECT max(v.hashdiff) FILTER (WHERE v.valid_from <= start AND (v.valid_to IS NULL OR v.valid_to > start))
                  IS DISTINCT FROM max(v.hashdiff) FILTER (WHERE v.valid_to IS NULL OR v.valid_to > until)
           FROM read_model.entity_version v
           WHERE v.entity_uid = c.entity_uid AND v.valid_from <= until)
       OR (SELECT array_agg(v.hashdiff ORDER BY v.detail_type) FILTER (
                      WHERE v.valid_from <= start AND (v.valid_to IS NULL OR v.valid_to > start))
                  IS DISTINCT FROM
                  array_agg(v.hashdiff ORDER BY v.detail_type) FILTER (WHERE v.valid_to IS NULL OR v.valid_to > until)
           FROM read_model.entity_detail_version v
           WHERE v.entity_uid = c.entity_uid AND v.valid_from <= until);
END;

-- The same by what was known at a position.
CREATE FUNCTION read_model.differing_known_between(mode text, start timestamptz, until timestamptz, known bigint) RETURNS bigint
LANGUAGE sql STABLE PARALLEL SAFE SET work_mem = '32MB' SET max_parallel_workers_per_gather = 0
BEGIN ATOMIC
    SELECT count(*)
    FROM (
        SELECT t.entity_uid, sum(t.sign) <> 0 OR min(t.at) = max(t.at) AS is_told
        FROM (
            SELECT v.entity_uid, v.valid_from, 1 FROM read_model.entity_version v
            WHERE v.valid_from > start AND v.valid_from <= until AND v.recorded_from_position <= known
            UNION ALL
            SELECT v.entity_uid, v.valid_to, -1 FROM read_model.entity_version v
            WHERE v.valid_to > start AND v.valid_to <= until AND v.valid_to_known_position <= known
            UNION ALL
            SELECT v.entity_uid, v.valid_from, 1 FROM read_model.entity_detail_version v
            WHERE v.valid_from > start AND v.valid_from <= until AND v.recorded_from_position <= known
            UNION ALL
            SELECT v.entity_uid, v.valid_to, -1 FROM read_model.entity_detail_version v
            WHERE v.valid_to > start AND v.valid_to <= until AND v.valid_to_known_position <= known
            UNION ALL
            SELECT v.entity_uid, v.valid_from, 1 FROM read_model.entity_version_superseded v
            WHERE v.valid_from > start AND v.valid_from <= until
              AND v.recorded_from_position <= known AND v.recorded_to_position > known
            UNION ALL
            SELECT v.entity_uid, v.valid_to, -1 FROM read_model.entity_version_superseded v
            WHERE v.valid_to > start AND v.valid_to <= until
              AND v.valid_to_known_position <= known AND v.recorded_to_position > known
            UNION ALL
            SELECT v.entity_uid, v.valid_from, 1 FROM read_model.entity_detail_version_superseded v
            WHERE v.valid_from > start AND v.valid_from <= until
              AND v.recorded_from_position <= known AND v.recorded_to_position > known
            UNION ALL
            SELECT v.entity_uid, v.valid_to, -1 FROM read_model.entity_detail_version_superseded v
            WHERE v.valid_to > start AND v.valid_to <= until
              AND v.valid_to_known_position <= known AND v.recorded_to_position > known
        ) t (entity_uid, at, sign)
        GROUP BY t.entity_uid
    ) c
    WHERE c.is_told OR mode = 'changes'
       OR (SELECT d.is_there FROM read_model.difference_of(c.entity_uid, 'net', start, until, known, known) d);
END;

-- What begins or ends in a window is told by the index alone, for the details of an entity as for its versions. The next
-- migration puts this index in the place of the one before: to build it keeps no reader waiting, to drop one does.
CREATE INDEX entity_detail_version_as_of_covering ON read_model.entity_detail_version (entity_uid, detail_type, valid_from DESC)
    INCLUDE (valid_to);
