-- The first mark of the counts that says something else than the rows of entity_version, in their order: its key, which
-- column, what it should say and says; called by projector/verify.py. Where there are no marks, nothing is counted by them.
WITH turn (at, entity_type, net) AS (
    SELECT valid_from, entity_type, 1 FROM entity_version
    UNION ALL
    SELECT valid_to, entity_type, -1 FROM entity_version WHERE valid_to IS NOT NULL
), instant AS (
    SELECT at, entity_type, sum(net) AS net, count(*) AS turns FROM turn GROUP BY at, entity_type
), placed AS (
    SELECT i.*, (SELECT m.upto FROM count_mark m WHERE m.entity_type = '' AND m.upto >= i.at ORDER BY m.upto LIMIT 1)
    FROM instant i
), expected AS (
    SELECT coalesce(entity_type, '') AS entity_type, upto, sum(net)::bigint AS net,
           coalesce(sum(turns) FILTER (WHERE at < upto), 0)::bigint AS turns
    FROM placed GROUP BY GROUPING SETS ((upto), (upto, entity_type)) HAVING entity_type IS DISTINCT FROM ''
)
SELECT coalesce(nullif(entity_type, ''), 'all') || ' up to ' || upto, CASE WHEN e.net <> m.net THEN 'net' ELSE 'turns' END,
       CASE WHEN e.net <> m.net THEN e.net ELSE e.turns END, CASE WHEN e.net <> m.net THEN m.net ELSE m.turns END
FROM (SELECT entity_type, upto, coalesce(x.net, 0) AS net, coalesce(x.turns, 0) AS turns
      FROM expected x FULL JOIN count_mark m USING (entity_type, upto)) e
LEFT JOIN count_mark m USING (entity_type, upto)
WHERE (e.net, e.turns) IS DISTINCT FROM (coalesce(m.net, 0), coalesce(m.turns, 0)) AND EXISTS (SELECT FROM count_mark)
ORDER BY upto, entity_type
LIMIT 1
