-- A page of the versions of one entity and its details as known at a position or latest, oldest or newest first, the
-- entity before its details; those begun by as_of where one is given; also those of earlier belief where they are asked
-- for; for ReadModel.history. Backwards it is the page before a key.
WITH versions AS NOT MATERIALIZED (
    SELECT 'entity' AS kind, '' AS detail_type, valid_from, valid_to, created_at, updated_at, hashdiff,
           recorded_from_position, NULL::bigint AS recorded_to_position, actor, display_name AS value, entity_type
    FROM entity_version_known(%(known)s::bigint)
    WHERE entity_uid = %(uid)s::uuid
    UNION ALL
    SELECT 'detail' AS kind, detail_type, valid_from, valid_to, created_at, updated_at, hashdiff,
           recorded_from_position, NULL::bigint AS recorded_to_position, actor, detail_value AS value, NULL AS entity_type
    FROM entity_detail_version_known(%(known)s::bigint)
    WHERE entity_uid = %(uid)s::uuid
    UNION ALL
    SELECT 'entity' AS kind, '' AS detail_type, valid_from, valid_to, created_at, updated_at, hashdiff,
           recorded_from_position, recorded_to_position, actor, display_name AS value, entity_type
    FROM entity_version_superseded
    WHERE entity_uid = %(uid)s::uuid
      AND %(superseded)s::boolean AND (%(known)s::bigint IS NULL OR recorded_to_position <= %(known)s::bigint)
    UNION ALL
    SELECT 'detail' AS kind, detail_type, valid_from, valid_to, created_at, updated_at, hashdiff,
           recorded_from_position, recorded_to_position, actor, detail_value AS value, NULL AS entity_type
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
), moment AS MATERIALIZED (
    SELECT position, coalesce(%(now)s::timestamptz, greatest(now(), recorded_at, clock_at)) AS now
    FROM checkpoint WHERE name = 'read_model'
)
SELECT c.position, coalesce(%(as_of)s::timestamptz, c.now) AS as_of, c.now,
       CASE WHEN %(counted)s::boolean THEN (SELECT count(*) FROM found) END AS count,
       EXISTS (SELECT FROM entity_version WHERE entity_uid = %(uid)s::uuid
                 AND (%(known)s::bigint IS NULL OR recorded_from_position <= %(known)s::bigint))
       OR EXISTS (SELECT FROM entity_version_superseded WHERE entity_uid = %(uid)s::uuid
                    AND (%(known)s::bigint IS NULL OR recorded_from_position <= %(known)s::bigint)) AS is_known,
       page.kind, page.detail_type, page.valid_from, page.valid_to, page.created_at, page.updated_at,
       page.hashdiff, page.recorded_from_position, ended.recorded_at AS recorded_to, page.actor, page.value,
       page.entity_type, made.event_id, made.reason
FROM moment c
LEFT JOIN page ON true
LEFT JOIN audit_entry made ON made.audit_id = page.recorded_from_position * 65536
LEFT JOIN audit_entry ended ON ended.audit_id = page.recorded_to_position * 65536
ORDER BY page.place, page.detail_type COLLATE "C", page.recorded_from_position
