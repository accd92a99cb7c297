-- A page of the entity types by code, active or not; for ReadModel.types. They have no timeline of valid time: any
-- instant sees the same.
SELECT c.position, coalesce(%(as_of)s::timestamptz, greatest(now(), c.recorded_at)) AS as_of,
       CASE WHEN %(counted)s::boolean THEN (SELECT count(*) FROM entity_type) END AS count,
       page.code, page.name, page.description, page.is_active
FROM checkpoint c
LEFT JOIN (
    SELECT * FROM entity_type ORDER BY code LIMIT %(limit)s::bigint OFFSET %(offset)s::bigint
) page ON true
WHERE c.name = 'read_model'
ORDER BY page.code
