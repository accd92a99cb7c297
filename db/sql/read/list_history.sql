-- Pages of the versions of entities and their details, a page an entity, in the order these were asked for: as known at a
-- position or latest, oldest or newest first, the entity before its details; those begun by as_of where one is given; also
-- those of earlier belief where they are asked for. Of each there is a row about all of it, then the page, then all rows of
-- belief that ever began or ended where its versions begin, and the events that made and ended these; for
-- ReadModel.history. Backwards it is the page before a key.
WITH moment AS MATERIALIZED (
    SELECT position, coalesce(%(now)s::timestamptz, greatest(now(), recorded_at, clock_at)) AS now
    FROM checkpoint WHERE name = 'read_model'
), asked AS MATERIALIZED ( -- what is asked is data to the planner: no plan hangs on a value
    SELECT u.uid, u.number, %(as_of)s::timestamptz AS as_of, %(known)s::bigint AS known,
           %(superseded)s::boolean AS superseded, %(kind)s::text AS kind, %(detail_type)s::text AS detail_type,
           CASE WHEN %(newest)s::boolean THEN -1 ELSE 1 END AS direction, %(backward)s::boolean AS backward,
           extract(epoch FROM %(after_instant)s::timestamptz) AS after_epoch, %(after_text)s::text COLLATE "C" AS after_text,
           %(after_number)s::bigint AS after_number, %(counted)s::boolean AS counted
    FROM unnest((SELECT %(uid)s::uuid[])) WITH ORDINALITY AS u (uid, number)
)
SELECT answer.position, answer.as_of, answer.parked, answer.now, answer.count, answer.is_known,
       answer.kind, answer.code, answer.hashdiff, answer.valid_from, answer.valid_to,
       answer.recorded_from_position, answer.valid_to_known_position, answer.recorded_to_position,
       answer.created_at, answer.updated_at, answer.value, answer.entity_type,
       answer.event_id, answer.actor, answer.reason, answer.recorded_at
FROM moment c
CROSS JOIN asked
CROSS JOIN LATERAL (
    WITH versions AS NOT MATERIALIZED (
        SELECT 'entity' AS kind, '' AS detail_type, valid_from, valid_to, created_at, updated_at, hashdiff,
               recorded_from_position, NULL::bigint AS recorded_to_position, display_name AS value, entity_type
        FROM entity_version_known(asked.known)
        WHERE entity_uid = asked.uid
        UNION ALL
        SELECT 'detail' AS kind, detail_type, valid_from, valid_to, created_at, updated_at, hashdiff,
               recorded_from_position, NULL::bigint AS recorded_to_position, detail_value AS value, NULL AS entity_type
        FROM entity_detail_version_known(asked.known)
        WHERE entity_uid = asked.uid
        UNION ALL
        SELECT 'entity' AS kind, '' AS detail_type, valid_from, valid_to, created_at, updated_at, hashdiff,
               recorded_from_position, recorded_to_position, display_name AS value, entity_type
        FROM entity_version_superseded
        WHERE entity_uid = asked.uid
          AND asked.superseded AND (asked.known IS NULL OR recorded_to_position <= asked.known)
        UNION ALL
        SELECT 'detail' AS kind, detail_type, valid_from, valid_to, created_at, updated_at, hashdiff,
               recorded_from_position, recorded_to_position, detail_value AS value, NULL AS entity_type
        FROM entity_detail_version_superseded
        WHERE entity_uid = asked.uid
          AND asked.superseded AND (asked.known IS NULL OR recorded_to_position <= asked.known)
    ), found AS MATERIALIZED (
        SELECT *, asked.direction * extract(epoch FROM valid_from) AS place
        FROM versions
        WHERE (asked.as_of IS NULL OR valid_from <= asked.as_of)
          AND (asked.kind IS NULL OR kind = asked.kind)
          AND (asked.detail_type IS NULL OR detail_type = asked.detail_type)
    ), page AS MATERIALIZED (
        SELECT * FROM found
        WHERE asked.after_number IS NULL OR CASE
            WHEN asked.backward THEN (place, detail_type COLLATE "C", recorded_from_position)
                                     < (asked.direction * asked.after_epoch, asked.after_text, asked.after_number)
            ELSE (place, detail_type COLLATE "C", recorded_from_position)
                 > (asked.direction * asked.after_epoch, asked.after_text, asked.after_number)
        END
        ORDER BY CASE WHEN NOT asked.backward THEN place END,
                 CASE WHEN asked.backward THEN place END DESC,
                 CASE WHEN NOT asked.backward THEN detail_type END COLLATE "C",
                 CASE WHEN asked.backward THEN detail_type END COLLATE "C" DESC,
                 CASE WHEN asked.backward THEN -1 ELSE 1 END * recorded_from_position
        LIMIT (SELECT %(limit)s::bigint) OFFSET (SELECT %(offset)s::bigint)
    ), belief AS MATERIALIZED (
        SELECT coalesce(r.detail_type, '') AS detail_type, r.hashdiff, r.valid_from, r.valid_to,
               r.recorded_from_position, r.valid_to_known_position, r.recorded_to_position
        FROM rows_of(asked.uid) r
        WHERE (asked.known IS NULL OR r.recorded_from_position <= asked.known)
          AND ((coalesce(r.detail_type, ''), r.valid_from) IN (SELECT detail_type, valid_from FROM page)
            OR (coalesce(r.detail_type, ''), r.valid_to) IN (SELECT detail_type, valid_from FROM page))
    )
    SELECT 1 AS part, c.position, coalesce(asked.as_of, c.now) AS as_of,
           CASE WHEN EXISTS (SELECT FROM parked_event)
                THEN (SELECT ARRAY[count(DISTINCT stream), min(position)] FROM parked_event
                      WHERE stream = 'entity:' || asked.uid::text AND (asked.known IS NULL OR position <= asked.known))
                ELSE ARRAY[0, NULL]::bigint[] END AS parked,
           c.now,
           CASE WHEN NOT asked.counted THEN NULL
                WHEN %(offset)s::bigint = 0 AND asked.after_number IS NULL
                     AND (SELECT count(*) FROM page) < (SELECT %(limit)s::bigint) THEN (SELECT count(*) FROM page)
                ELSE (SELECT count(*) FROM found) END AS count,
           EXISTS (SELECT FROM entity_version WHERE entity_uid = asked.uid
                     AND (asked.known IS NULL OR recorded_from_position <= asked.known))
           OR EXISTS (SELECT FROM entity_version_superseded WHERE entity_uid = asked.uid
                        AND (asked.known IS NULL OR recorded_from_position <= asked.known)) AS is_known,
           NULL AS kind, NULL AS code, NULL AS hashdiff, NULL::timestamptz AS valid_from, NULL::timestamptz AS valid_to,
           NULL::bigint AS recorded_from_position, NULL::bigint AS valid_to_known_position,
           NULL::bigint AS recorded_to_position, NULL::timestamptz AS created_at, NULL::timestamptz AS updated_at,
           NULL AS value, NULL AS entity_type,
           NULL::uuid AS event_id, NULL AS actor, NULL AS reason, NULL::timestamptz AS recorded_at, NULL::numeric AS place
    UNION ALL
    SELECT 2, NULL, NULL, NULL, NULL, NULL, NULL, kind, detail_type, hashdiff, valid_from, valid_to,
           recorded_from_position, NULL, recorded_to_position, created_at, updated_at, value, entity_type,
           NULL, NULL, NULL, NULL, place
    FROM page
    UNION ALL
    SELECT 3, NULL, NULL, NULL, NULL, NULL, NULL, 'belief', detail_type, hashdiff, valid_from, valid_to,
           recorded_from_position, valid_to_known_position, recorded_to_position, NULL, NULL, NULL, NULL,
           NULL, NULL, NULL, NULL, NULL
    FROM belief
    UNION ALL
    SELECT 3, NULL, NULL, NULL, NULL, NULL, NULL, 'event', NULL, NULL, NULL, NULL,
           a.position, NULL, NULL, NULL, NULL, NULL, NULL,
           a.event_id, a.actor, a.reason, a.recorded_at, NULL
    FROM (SELECT recorded_from_position FROM belief
          UNION SELECT valid_to_known_position FROM belief
          UNION SELECT recorded_to_position FROM belief) e (position)
    JOIN audit_entry a ON a.audit_id = e.position * 65536
) answer
ORDER BY asked.number, answer.part, answer.place, answer.code COLLATE "C", answer.recorded_from_position
