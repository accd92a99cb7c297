-- Which of some commands were executed before: what they appended is found by their id, what changed nothing by its
-- receipt; called by write_side/event_store.py.
SELECT e.command_id, NULL::bytea AS key, e.stream, e.event_id,
       (SELECT max(o.position) FROM log.event o WHERE o.command_id = e.command_id) AS position,
       CASE WHEN e.type = 'ExternalKeyClaimed' THEN e.payload -> 'data' ->> 'entity_uid' END AS entity_uid,
       CASE WHEN e.type = 'EntityRegistered' THEN 201 ELSE 200 END::smallint AS status
FROM log.event e
WHERE e.command_id = ANY (%(command_ids)b::uuid[]) AND e.ordinal = 0
UNION ALL
SELECT NULL, r.key, r.stream, r.event_id, r.position, NULL, r.status
FROM log.command_receipt r
WHERE r.key = ANY (%(keys)b::bytea[])
