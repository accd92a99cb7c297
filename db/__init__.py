"""PostgreSQL: the embedded server, pools, migrations, and every SQL statement."""
