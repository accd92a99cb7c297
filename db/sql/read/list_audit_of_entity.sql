-- Pages of the audit entries of entities, newest first, a page an entity, in the order these were asked for: of each a row
-- about all of it, then a row an entry; for ReadModel.audit where nothing else but instants is asked for. The index has the
-- first entry of each event: the others are behind it in the primary key. Backwards it is the page before a key.
WITH moment AS MATERIALIZED (
    SELECT position, greatest(now(), recorded_at, clock_at) AS now,
           coalesce(first_entry_at(%(from)s::timestamptz), 0) AS first, first_entry_at(%(to)s::timestamptz) AS upto
    FROM checkpoint WHERE name = 'read_model'
)
SELECT answer.position, answer.as_of, answer.parked, answer.count,
       answer.audit_id, answer.actor, answer.recorded_at, answer.entity_uid, answer.table_name, answer.operation,
       answer.detail_code, answer.before_value::text, answer.after_value::text, answer.request_id, answer.ip_address,
       answer.user_agent, answer.entry_position, answer.event_id, answer.reason
FROM moment c
CROSS JOIN unnest(
    (SELECT %(uid)s::uuid[]), (SELECT %(now)s::timestamptz[]), (SELECT %(known)s::bigint[]), (SELECT %(limit)s::bigint[]),
    (SELECT %(offset)s::bigint[]), (SELECT %(counted)s::boolean[]), (SELECT %(backward)s::boolean[]),
    (SELECT %(after_number)s::bigint[]) -- no plan hangs on a value
) WITH ORDINALITY AS asked (uid, now, known, most, passed, counted, backward, after, number)
CROSS JOIN LATERAL (
    SELECT least(c.upto, CASE WHEN asked.known IS NOT NULL THEN (least(asked.known, c.position) + 1) * 65536 END,
                 9223372036854775807) AS upto
) reach
CROSS JOIN LATERAL (
    WITH page AS MATERIALIZED ( -- each event has an entry, so that few events fill it
        (SELECT e.audit_id
         FROM (SELECT audit_id AS first FROM audit_entry
               WHERE NOT asked.backward AND entity_uid = asked.uid AND audit_id & 65535 = 0
                 AND audit_id >= c.first AND audit_id < least(reach.upto, asked.after)
               ORDER BY audit_id DESC LIMIT asked.most + asked.passed) f
         CROSS JOIN LATERAL (
             SELECT audit_id FROM audit_entry
             WHERE audit_id >= f.first AND audit_id < least(f.first + 65536, asked.after) OFFSET 0) e
         ORDER BY e.audit_id DESC LIMIT asked.most OFFSET asked.passed)
        UNION ALL
        (SELECT e.audit_id
         FROM (SELECT audit_id AS first FROM audit_entry
               WHERE asked.backward AND entity_uid = asked.uid AND audit_id & 65535 = 0
                 AND audit_id >= greatest(c.first, (asked.after >> 16) << 16) AND audit_id < reach.upto
               ORDER BY audit_id LIMIT asked.most + 1) f -- that of the key may have nothing behind it
         CROSS JOIN LATERAL (
             SELECT audit_id FROM audit_entry
             WHERE audit_id >= f.first AND audit_id < f.first + 65536 AND audit_id > asked.after OFFSET 0) e
         ORDER BY e.audit_id LIMIT asked.most)
    )
    SELECT c.position, coalesce(%(as_of)s::timestamptz, asked.now, c.now) AS as_of,
           (SELECT ARRAY[count(DISTINCT stream), min(position)] FROM parked_event
            WHERE stream = 'entity:' || asked.uid::text AND (asked.known IS NULL OR position <= asked.known)) AS parked,
           CASE WHEN asked.counted THEN
               (SELECT count(*)
                FROM audit_entry f
                CROSS JOIN LATERAL (
                    SELECT FROM audit_entry WHERE audit_id >= f.audit_id AND audit_id < f.audit_id + 65536 OFFSET 0) e
                WHERE f.entity_uid = asked.uid AND f.audit_id & 65535 = 0
                  AND f.audit_id >= c.first AND f.audit_id < reach.upto) END AS count,
           NULL::bigint AS audit_id, NULL AS actor, NULL::timestamptz AS recorded_at, NULL::uuid AS entity_uid,
           NULL AS table_name, NULL AS operation, NULL AS detail_code, NULL::json AS before_value, NULL::json AS after_value,
           NULL AS request_id, NULL AS ip_address, NULL AS user_agent, NULL::bigint AS entry_position,
           NULL::uuid AS event_id, NULL AS reason
    UNION ALL
    SELECT NULL, NULL, NULL, NULL, a.audit_id, actor, recorded_at, entity_uid, table_name, operation, detail_code,
           before_value, after_value, request_id, ip_address, user_agent, position, event_id, reason
    FROM page CROSS JOIN LATERAL (SELECT * FROM audit_entry e WHERE e.audit_id = page.audit_id OFFSET 0) a
) answer
ORDER BY asked.number, answer.audit_id DESC NULLS FIRST
