-- Whether a projector at the caller's address has asked for something lately; called by projector/alive.py.
-- Its polls, and its tries to become the leader, are signs of life.
SELECT EXISTS (
    SELECT FROM pg_stat_activity
    WHERE application_name = 'cockpit-project'
      AND datname = current_database()
      AND client_addr IS NOT DISTINCT FROM inet_client_addr()
      AND pid <> pg_backend_pid()
      AND (state = 'active' OR state_change > clock_timestamp() - make_interval(secs => %(seconds)s::float8))
)
