-- A page of the detail types by code, active or not; for ReadModel.types. They have no timeline of valid time: any
-- instant sees the same. Backwards it is the page before a key.
SELECT c.position, coalesce(%(as_of)s::timestamptz, greatest(now(), c.recorded_at, c.clock_at)) AS as_of,
       (SELECT ARRAY[count(DISTINCT stream), min(position)] FROM parked_event) AS parked,
       CASE WHEN %(counted)s::boolean THEN (SELECT count(*) FROM detail_type) END AS count,
       page.code, page.name, page.description, page.is_active
FROM checkpoint c
LEFT JOIN (
    SELECT * FROM detail_type
    WHERE %(after_text)s::text IS NULL
       OR CASE WHEN %(backward)s::boolean THEN code < %(after_text)s::text ELSE code > %(after_text)s::text END
    ORDER BY CASE WHEN NOT %(backward)s::boolean THEN code END, CASE WHEN %(backward)s::boolean THEN code END DESC
    LIMIT %(limit)s::bigint OFFSET %(offset)s::bigint
) page ON true
WHERE c.name = 'read_model'
ORDER BY page.code
