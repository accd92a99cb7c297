-- The rebuild that is under way, and the set of tables before the last one, NULL where there is none; called by
-- cockpit/database_cli.py.
SELECT r.phase, r.done, r.total, projection.previous_position() AS previous
FROM (SELECT 1) AS always LEFT JOIN projection.rebuild r ON r.finished_at IS NULL
