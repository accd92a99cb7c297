-- Whether an entity differs between two points, in a mode, told by content: what there is on one side alone, against what
-- there is on the other side alone. Mostly there is nothing, or not as much; only otherwise both are sorted.
-- net:       what was believed at both points;
-- changes:   rows that begin or end in the window, or what ceased to be believed of its start against what began to be;
-- knowledge: what was believed of the window at both positions.
-- It is inlined; no plan hangs on the mode.
CREATE OR REPLACE FUNCTION read_model.difference_of(
    uid uuid, mode text, start timestamptz, until timestamptz, known_from bigint, known_to bigint
) RETURNS TABLE (is_there boolean) LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT coalesce(d.is_told, false)
        OR cardinality(d.ceased) IS DISTINCT FROM cardinality(d.began)
        OR d.ceased IS NOT NULL AND (SELECT array_agg(c ORDER BY c) FROM unnest(d.ceased) AS c)
                                    <> (SELECT array_agg(b ORDER BY b) FROM unnest(d.began) AS b)
    FROM (
        SELECT bool_or(r.turns) FILTER (WHERE mode = 'changes') AS is_told,
               array_agg(CASE mode WHEN 'net' THEN r.hashdiff
                                   WHEN 'changes' THEN r.ceased || ' ' || r.hashdiff
                                   ELSE r.hashdiff || ' ' || greatest(r.valid_from, start) || ' ' || least(r.shown_before, until)
                         END) FILTER (
                   WHERE CASE mode
                         WHEN 'net' THEN r.is_before AND NOT r.is_after
                         WHEN 'changes' THEN r.valid_from <= start AND r.ceased > known_from AND r.ceased <= known_to
                                             AND r.ceased > r.recorded_from_position
                         ELSE r.is_seen_before AND NOT (r.is_seen_after AND r.is_same) END) AS ceased,
               array_agg(CASE mode WHEN 'net' THEN r.hashdiff
                                   WHEN 'changes' THEN r.recorded_from_position || ' ' || r.hashdiff
                                   ELSE r.hashdiff || ' ' || greatest(r.valid_from, start) || ' ' || least(r.shown_after, until)
                         END) FILTER (
                   WHERE CASE mode
                         WHEN 'net' THEN r.is_after AND NOT r.is_before
                         WHEN 'changes' THEN r.valid_from <= start AND r.recorded_from_position > known_from
                                             AND (r.valid_to IS NULL OR r.valid_to > start
                                                  OR r.valid_to_known_position > r.recorded_from_position)
                         ELSE r.is_seen_after AND NOT (r.is_seen_before AND r.is_same) END) AS began
        FROM (
            SELECT r.*,
                   r.valid_from <= start AND r.was_believed
                       AND (r.valid_to IS NULL OR r.valid_to > start OR r.valid_to_known_position > known_from) AS is_before,
                   r.is_believed
                       AND (r.valid_to IS NULL OR r.valid_to > until OR r.valid_to_known_position > known_to) AS is_after,
                   r.is_believed
                       AND (r.valid_from > start
                            OR r.valid_to > start AND r.valid_to <= until AND r.valid_to_known_position <= known_to) AS turns,
                   r.valid_from < until AND r.was_believed AND r.shown_before > start AS is_seen_before,
                   r.valid_from < until AND r.is_believed AND r.shown_after > start AS is_seen_after,
                   least(r.shown_before, until) = least(r.shown_after, until) AS is_same
            FROM (
                SELECT r.hashdiff, r.valid_from, r.valid_to, r.recorded_from_position, r.valid_to_known_position,
                       least(r.recorded_to_position, CASE WHEN r.valid_to <= start THEN r.valid_to_known_position END) AS ceased,
                       r.recorded_from_position <= known_from
                           AND (r.recorded_to_position IS NULL OR r.recorded_to_position > known_from) AS was_believed,
                       r.recorded_to_position IS NULL OR r.recorded_to_position > known_to AS is_believed,
                       CASE WHEN r.valid_to_known_position <= known_from THEN r.valid_to ELSE 'infinity' END AS shown_before,
                       CASE WHEN r.valid_to_known_position <= known_to THEN r.valid_to ELSE 'infinity' END AS shown_after
                FROM read_model.rows_of(uid) r
                WHERE r.recorded_from_position <= known_to AND r.valid_from <= until
                  AND (r.valid_to IS NULL OR r.valid_to > start OR r.valid_to_known_position > known_from)
            ) r
        ) r
    ) d;
END;

-- Who counts reads this table, so with the lock no statement is under way any more that began before
-- 0036_differences_of_long_windows.
LOCK TABLE read_model.entity_version IN ACCESS EXCLUSIVE MODE;
DROP FUNCTION read_model.differing_between_before;
