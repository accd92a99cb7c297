"""The roles in the database: writer, projector and reader, made where we may, told about where we may not."""

from __future__ import annotations

import psycopg
from psycopg import sql

from db.queries import statement

MEMBERSHIP = "GRANT cockpit_writer, cockpit_projector, cockpit_reader TO"


def ensure_roles(conninfo: str) -> str | None:
    """Create the roles and grant them what their sides need.

    Returns None when they are in place, else the SQL that an administrator would have to run: it lets this login act
    as them. Until then the login itself serves for all sides.
    """
    create, grant = statement("migrate/create_roles"), statement("migrate/grant_roles")
    with psycopg.connect(conninfo, autocommit=True, options="-c client_min_messages=warning") as connection:
        try:
            connection.execute(create)
            connection.execute(grant)
        except psycopg.errors.InsufficientPrivilege:
            login = sql.Identifier(connection.info.user)
            return create + grant + sql.SQL("{} {};\n").format(sql.SQL(MEMBERSHIP), login).as_string(connection)
    return None
