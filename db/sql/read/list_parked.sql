-- A page of the streams that are parked, each by its first event, which cannot be folded, with how many are behind it; for
-- ReadModel.parked and cockpit/parked_cli.py. Backwards it is the page before a key.
SELECT c.position, coalesce(%(as_of)s::timestamptz, greatest(now(), c.recorded_at, c.clock_at)) AS as_of,
       (SELECT ARRAY[count(DISTINCT stream), min(position)] FROM parked_event) AS parked,
       CASE WHEN %(counted)s::boolean THEN (SELECT count(DISTINCT stream) FROM parked_event) END AS count,
       page.position, page.stream, page.type, page.schema_version, page.event_id, page.recorded_at, page.reason, page.behind
FROM checkpoint c
LEFT JOIN (
    SELECT first.position, p.stream, e.type, e.schema_version, e.event_id, e.recorded_at, p.reason, first.behind
    FROM (SELECT min(position) AS position, count(*) - 1 AS behind FROM parked_event GROUP BY stream) first
    JOIN parked_event p USING (position)
    JOIN log.event e USING (position)
    WHERE %(after_number)s::bigint IS NULL
       OR CASE WHEN %(backward)s::boolean THEN first.position < %(after_number)s::bigint
               ELSE first.position > %(after_number)s::bigint END
    ORDER BY CASE WHEN %(backward)s::boolean THEN -1 ELSE 1 END * first.position
    LIMIT %(limit)s::bigint OFFSET %(offset)s::bigint
) page ON true
WHERE c.name = 'read_model'
ORDER BY page.position
