-- A page of the versions of one entity and its details as known at a position or latest, oldest or newest first, the
-- entity before its details; those begun by as_of where one is given; also those of earlier belief where they are asked
-- for; after them all rows of belief that ever began or ended where they begin, and the events that made and ended
-- these; for ReadModel.history. Backwards it is the page before a key.
WITH versions AS NOT MATERIALIZED (
    SELECT 'entity' AS kind, '' AS detail_type, valid_from, valid_to, created_at, updated_at, hashdiff,
           recorded_from_position, NULL::bigint AS recorded_to_position, display_name AS value, entity_type
    FROM entity_version_known(%(known)s::bigint)
    WHERE entity_uid = %(uid)s::uuid
    UNION ALL
    SELECT 'detail' AS kind, detail_type, valid_from, valid_to, created_at, updated_at, hashdiff,
           recorded_from_position, NULL::bigint AS recorded_to_position, detail_value AS value, NULL AS entity_type
    FROM entity_detail_version_known(%(known)s::bigint)
    WHERE entity_uid = %(uid)s::uuid
    UNION ALL
    SELECT 'entity' AS kind, '' AS detail_type, valid_from, valid_to, created_at, updated_at, hashdiff,
           recorded_from_position, recorded_to_position, display_name AS value, entity_type
    FROM entity_version_superseded
    WHERE entity_uid = %(uid)s::uuid
      AND %(superseded)s::boolean AND (%(known)s::bigint IS NULL OR recorded_to_position <= %(known)s::bigint)
    UNION ALL
    SELECT 'detail' AS kind, detail_type, valid_from, valid_to, created_at, updated_at, hashdiff,
           recorded_from_position, recorded_to_position, detail_value AS value, NULL AS entity_type
    FROM entity_detail_version_superseded
    WHERE entity_uid = %(uid)s::uuid
      AND %(superseded)s::boolean AND (%(known)s::bigint IS NULL OR recorded_to_position <= %(known)s::bigint)
), found AS NOT MATERIALIZED (
    SELECT *, CASE WHEN %(newest)s::boolean THEN -1 ELSE 1 END * extract(epoch FROM valid_from) AS place
    FROM versions
    WHERE (%(as_of)s::timestamptz IS NULL OR valid_from <= %(as_of)s::timestamptz)
      AND (%(kind)s::text IS NULL OR kind = %(kind)s::text)
      AND (%(detail_type)s::text IS NULL OR detail_type = %(detail_type)s::text)
), page AS (
    SELECT * FROM found
    WHERE %(after_number)s::bigint IS NULL OR CASE
        WHEN %(backward)s::boolean THEN (place, detail_type COLLATE "C", recorded_from_position) < (
            CASE WHEN %(newest)s::boolean THEN -1 ELSE 1 END * extract(epoch FROM %(after_instant)s::timestamptz),
            %(after_text)s::text COLLATE "C", %(after_number)s::bigint)
        ELSE (place, detail_type COLLATE "C", recorded_from_position) > (
            CASE WHEN %(newest)s::boolean THEN -1 ELSE 1 END * extract(epoch FROM %(after_instant)s::timestamptz),
            %(after_text)s::text COLLATE "C", %(after_number)s::bigint)
    END
    ORDER BY CASE WHEN NOT %(backward)s::boolean THEN place END,
             CASE WHEN %(backward)s::boolean THEN place END DESC,
             CASE WHEN NOT %(backward)s::boolean THEN detail_type END COLLATE "C",
             CASE WHEN %(backward)s::boolean THEN detail_type END COLLATE "C" DESC,
             CASE WHEN %(backward)s::boolean THEN -1 ELSE 1 END * recorded_from_position
    LIMIT %(limit)s::bigint OFFSET %(offset)s::bigint
), belief AS MATERIALIZED (
    SELECT coalesce(r.detail_type, '') AS detail_type, r.hashdiff, r.valid_from, r.valid_to,
           r.recorded_from_position, r.valid_to_known_position, r.recorded_to_position
    FROM rows_of(%(uid)s::uuid) r
    WHERE (%(known)s::bigint IS NULL OR r.recorded_from_position <= %(known)s::bigint)
      AND ((coalesce(r.detail_type, ''), r.valid_from) IN (SELECT detail_type, valid_from FROM page)
        OR (coalesce(r.detail_type, ''), r.valid_to) IN (SELECT detail_type, valid_from FROM page))
), moment AS MATERIALIZED (
    SELECT position, coalesce(%(now)s::timestamptz, greatest(now(), recorded_at, clock_at)) AS now
    FROM checkpoint WHERE name = 'read_model'
)
SELECT c.position, coalesce(%(as_of)s::timestamptz, c.now) AS as_of,
       (SELECT ARRAY[count(DISTINCT stream), min(position)] FROM parked_event
        WHERE stream = 'entity:' || %(uid)s::uuid::text
          AND (%(known)s::bigint IS NULL OR position <= %(known)s::bigint)) AS parked,
       c.now,
       CASE WHEN %(counted)s::boolean THEN (SELECT count(*) FROM found) END AS count,
       EXISTS (SELECT FROM entity_version WHERE entity_uid = %(uid)s::uuid
                 AND (%(known)s::bigint IS NULL OR recorded_from_position <= %(known)s::bigint))
       OR EXISTS (SELECT FROM entity_version_superseded WHERE entity_uid = %(uid)s::uuid
                    AND (%(known)s::bigint IS NULL OR recorded_from_position <= %(known)s::bigint)) AS is_known,
       found.*
FROM moment c
LEFT JOIN (
    SELECT kind, detail_type, hashdiff, valid_from, valid_to,
           recorded_from_position, NULL::bigint AS valid_to_known_position, recorded_to_position,
           created_at, updated_at, value, entity_type,
           NULL::uuid AS event_id, NULL::text AS actor, NULL::text AS reason, NULL::timestamptz AS recorded_at, place
    FROM page
    UNION ALL
    SELECT 'belief', detail_type, hashdiff, valid_from, valid_to,
           recorded_from_position, valid_to_known_position, recorded_to_position,
           NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL
    FROM belief
    UNION ALL
    SELECT 'event', NULL, NULL, NULL, NULL, a.position, NULL, NULL, NULL, NULL, NULL, NULL,
           a.event_id, a.actor, a.reason, a.recorded_at, NULL
    FROM (SELECT recorded_from_position FROM belief
          UNION SELECT valid_to_known_position FROM belief
          UNION SELECT recorded_to_position FROM belief) e (position)
    JOIN audit_entry a ON a.audit_id = e.position * 65536
) found ON true
ORDER BY found.place, found.detail_type COLLATE "C", found.recorded_from_position
