-- Pages of the audit trail, newest first, in the order they were asked for: of each a row about all of it, then a row an
-- entry; for ReadModel.audit without any filter but instants. What was recorded when, or is known at a position, is a range
-- of entries: marks count it, and tell where a page far inside begins. Backwards it is the page before a key.
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
    (SELECT %(now)s::timestamptz[]), (SELECT %(known)s::bigint[]), (SELECT %(limit)s::bigint[]), (SELECT %(offset)s::bigint[]),
    (SELECT %(counted)s::boolean[]), (SELECT %(backward)s::boolean[]),
    (SELECT %(after_number)s::bigint[]) -- no plan hangs on a value
) WITH ORDINALITY AS asked (now, known, most, passed, counted, backward, after, number)
CROSS JOIN LATERAL (
    SELECT least(c.upto, CASE WHEN asked.known IS NOT NULL THEN (least(asked.known, c.position) + 1) * 65536 END,
                 9223372036854775807) AS upto, asked.passed >= 500 AS is_far
) reach
CROSS JOIN LATERAL (
    SELECT CASE WHEN asked.counted OR reach.is_far THEN entries_before(reach.upto) END AS entries OFFSET 0 -- once
) before
CROSS JOIN LATERAL (
    SELECT CASE WHEN reach.is_far THEN before.entries - asked.passed END AS entry
) next
LEFT JOIN LATERAL block_of_entry(next.entry) block ON block.upto < reach.upto
CROSS JOIN LATERAL (
    SELECT c.position, coalesce(%(as_of)s::timestamptz, asked.now, c.now) AS as_of,
           (SELECT ARRAY[count(DISTINCT stream), min(position)] FROM parked_event
            WHERE asked.known IS NULL OR position <= asked.known) AS parked,
           CASE WHEN asked.counted
                THEN greatest(before.entries - CASE WHEN c.first > 0 THEN entries_before(c.first) ELSE 0 END, 0) END AS count,
           NULL::bigint AS audit_id, NULL AS actor, NULL::timestamptz AS recorded_at, NULL::uuid AS entity_uid,
           NULL AS table_name, NULL AS operation, NULL AS detail_code, NULL::json AS before_value, NULL::json AS after_value,
           NULL AS request_id, NULL AS ip_address, NULL AS user_agent, NULL::bigint AS entry_position,
           NULL::uuid AS event_id, NULL AS reason
    UNION ALL
    (SELECT NULL, NULL, NULL, NULL, audit_id, actor, recorded_at, entity_uid, table_name, operation, detail_code,
            before_value, after_value, request_id, ip_address, user_agent, position, event_id, reason
     FROM audit_entry
     WHERE NOT asked.backward AND audit_id >= c.first AND audit_id < least(reach.upto, block.upto, asked.after)
     ORDER BY audit_id DESC
     LIMIT asked.most OFFSET coalesce(block.entries - next.entry, asked.passed))
    UNION ALL
    (SELECT NULL, NULL, NULL, NULL, audit_id, actor, recorded_at, entity_uid, table_name, operation, detail_code,
            before_value, after_value, request_id, ip_address, user_agent, position, event_id, reason
     FROM audit_entry
     WHERE asked.backward AND audit_id > asked.after AND audit_id >= c.first AND audit_id < reach.upto
     ORDER BY audit_id
     LIMIT asked.most)
) answer
ORDER BY asked.number, answer.audit_id DESC NULLS FIRST
