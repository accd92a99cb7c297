-- The instants after a key and up to another instant at which something begins or ends that was recorded ahead of it, in
-- order, each with all rows that ever met there, and then the events that made and ended these; for Feed.came_true. What
-- a later event made anew was recorded ahead by the row that it superseded. Each branch has an index of its own, and gives
-- no more than the page takes.
WITH points AS (
    (SELECT valid_from AS instant, entity_uid FROM entity_version
     WHERE created_at < valid_from AND (valid_from, entity_uid) > (%(after_instant)s::timestamptz, %(after_uid)s::uuid)
       AND valid_from <= %(until)s::timestamptz AND (%(uid)s::uuid IS NULL OR entity_uid = %(uid)s::uuid)
     ORDER BY valid_from, entity_uid LIMIT %(limit)s::integer)
    UNION ALL
    (SELECT valid_to, entity_uid FROM entity_version
     WHERE updated_at < valid_to AND (valid_to, entity_uid) > (%(after_instant)s::timestamptz, %(after_uid)s::uuid)
       AND valid_to <= %(until)s::timestamptz AND (%(uid)s::uuid IS NULL OR entity_uid = %(uid)s::uuid)
     ORDER BY valid_to, entity_uid LIMIT %(limit)s::integer)
    UNION ALL
    (SELECT valid_from, entity_uid FROM entity_detail_version
     WHERE created_at < valid_from AND (valid_from, entity_uid) > (%(after_instant)s::timestamptz, %(after_uid)s::uuid)
       AND valid_from <= %(until)s::timestamptz AND (%(uid)s::uuid IS NULL OR entity_uid = %(uid)s::uuid)
     ORDER BY valid_from, entity_uid LIMIT %(limit)s::integer)
    UNION ALL
    (SELECT valid_to, entity_uid FROM entity_detail_version
     WHERE updated_at < valid_to AND (valid_to, entity_uid) > (%(after_instant)s::timestamptz, %(after_uid)s::uuid)
       AND valid_to <= %(until)s::timestamptz AND (%(uid)s::uuid IS NULL OR entity_uid = %(uid)s::uuid)
     ORDER BY valid_to, entity_uid LIMIT %(limit)s::integer)
    UNION ALL
    (SELECT valid_from, entity_uid FROM entity_version_superseded
     WHERE created_at < valid_from AND (valid_from, entity_uid) > (%(after_instant)s::timestamptz, %(after_uid)s::uuid)
       AND valid_from <= %(until)s::timestamptz AND (%(uid)s::uuid IS NULL OR entity_uid = %(uid)s::uuid)
     ORDER BY valid_from, entity_uid LIMIT %(limit)s::integer)
    UNION ALL
    (SELECT valid_to, entity_uid FROM entity_version_superseded
     WHERE updated_at < valid_to AND (valid_to, entity_uid) > (%(after_instant)s::timestamptz, %(after_uid)s::uuid)
       AND valid_to <= %(until)s::timestamptz AND (%(uid)s::uuid IS NULL OR entity_uid = %(uid)s::uuid)
     ORDER BY valid_to, entity_uid LIMIT %(limit)s::integer)
    UNION ALL
    (SELECT valid_from, entity_uid FROM entity_detail_version_superseded
     WHERE created_at < valid_from AND (valid_from, entity_uid) > (%(after_instant)s::timestamptz, %(after_uid)s::uuid)
       AND valid_from <= %(until)s::timestamptz AND (%(uid)s::uuid IS NULL OR entity_uid = %(uid)s::uuid)
     ORDER BY valid_from, entity_uid LIMIT %(limit)s::integer)
    UNION ALL
    (SELECT valid_to, entity_uid FROM entity_detail_version_superseded
     WHERE updated_at < valid_to AND (valid_to, entity_uid) > (%(after_instant)s::timestamptz, %(after_uid)s::uuid)
       AND valid_to <= %(until)s::timestamptz AND (%(uid)s::uuid IS NULL OR entity_uid = %(uid)s::uuid)
     ORDER BY valid_to, entity_uid LIMIT %(limit)s::integer)
), first AS MATERIALIZED (
    SELECT instant, entity_uid FROM points ORDER BY instant, entity_uid LIMIT %(limit)s::integer
), page AS MATERIALIZED (
    SELECT DISTINCT instant, entity_uid FROM first
), belief AS MATERIALIZED (
    SELECT page.instant, page.entity_uid, r.*
    FROM page
    CROSS JOIN LATERAL rows_of(page.entity_uid) r
    WHERE r.valid_from = page.instant OR r.valid_to = page.instant
)
SELECT c.position, (SELECT count(*) FROM first) = %(limit)s::integer AS has_more, found.*
FROM checkpoint c
LEFT JOIN (
    SELECT instant, entity_uid, detail_type, value, entity_type, valid_from, valid_to,
           recorded_from_position, valid_to_known_position, recorded_to_position,
           NULL::uuid AS event_id, NULL::text AS actor, NULL::text AS reason, NULL::timestamptz AS recorded_at
    FROM belief
    UNION ALL
    SELECT NULL, NULL, NULL, NULL, NULL, NULL, NULL, a.position, NULL, NULL,
           a.event_id, a.actor, a.reason, a.recorded_at
    FROM (SELECT recorded_from_position FROM belief
          UNION SELECT valid_to_known_position FROM belief
          UNION SELECT recorded_to_position FROM belief) e (position)
    JOIN audit_entry a ON a.audit_id = e.position * 65536
) found ON true
WHERE c.name = 'read_model'
ORDER BY found.instant, found.entity_uid
