-- The first mark of the audit trail that says something else than its entries: its key, which column, what it should say and
-- says; called by projector/verify.py. What comes after the last mark is not counted by one.
WITH narrow AS (
    SELECT audit_id >> 23 AS block, count(*) AS entries FROM audit_entry
    WHERE audit_id < (SELECT max(block) + 1 FROM audit_mark WHERE bits = 23) << 23
    GROUP BY 1
), expected (bits, block, entries) AS (
    SELECT 23, block, entries FROM narrow
    UNION ALL
    SELECT 31, block >> 8, sum(entries) FROM narrow GROUP BY 2
)
SELECT 'block ' || block || ' of ' || bits || ' bits', 'entries', coalesce(e.entries, 0), coalesce(m.entries, 0)
FROM expected e FULL JOIN audit_mark m USING (bits, block)
WHERE coalesce(e.entries, 0) <> coalesce(m.entries, 0)
ORDER BY bits, block
LIMIT 1
