-- Whether this login may act as all three roles, and they may reach the log; called by db/roles.py.
SELECT count(*) = 3
FROM pg_roles
WHERE rolname IN ('cockpit_writer', 'cockpit_projector', 'cockpit_reader')
  AND pg_has_role(oid, CASE WHEN current_setting('server_version_num')::integer < 160000 THEN 'MEMBER' ELSE 'SET' END)
  AND has_schema_privilege(oid, 'log', 'USAGE')
