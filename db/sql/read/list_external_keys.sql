-- A page of the keys that other systems know entities by, in the order of their claims, up to a position where one is
-- asked for; for ReadModel.external_keys. It is planned anew for each question, so a filter that is NULL costs nothing
-- and the others find their index. Backwards it is the page before a key.
WITH found AS NOT MATERIALIZED (
    SELECT * FROM external_key
    WHERE (%(source)s::text IS NULL OR source = %(source)s::text)
      AND (%(external_id)s::text IS NULL OR external_id = %(external_id)s::text)
      AND (%(uid)s::uuid IS NULL OR entity_uid = %(uid)s::uuid)
      AND (%(known)s::bigint IS NULL OR position <= %(known)s::bigint)
), page AS (
    SELECT * FROM found
    WHERE %(after_number)s::bigint IS NULL
       OR CASE WHEN %(backward)s::boolean THEN position < %(after_number)s::bigint
               ELSE position > %(after_number)s::bigint END
    ORDER BY CASE WHEN NOT %(backward)s::boolean THEN position END,
             CASE WHEN %(backward)s::boolean THEN position END DESC
    LIMIT %(limit)s::bigint OFFSET %(offset)s::bigint
)
SELECT c.position, coalesce(%(as_of)s::timestamptz, %(now)s::timestamptz, greatest(now(), c.recorded_at, c.clock_at)) AS as_of,
       (SELECT ARRAY[count(DISTINCT stream), min(position)] FROM parked_event
        WHERE %(known)s::bigint IS NULL OR position <= %(known)s::bigint) AS parked,
       CASE WHEN %(counted)s::boolean THEN (SELECT count(*) FROM found) END AS count,
       page.source, page.external_id, page.entity_uid, page.event_id, page.position, page.recorded_at, page.actor
FROM checkpoint c
LEFT JOIN page ON true
WHERE c.name = 'read_model'
ORDER BY page.position
