"""The roles in the database: writer, projector and reader, made where we may, told about where we may not."""

from __future__ import annotations

import psycopg

from db.queries import statement


def ensure_roles(conninfo: str) -> str | None:
    """Create the roles and grant them what their sides need.

    Returns None when they are in place, else the SQL that an administrator would have to run: it lets this login act
    as them. Until then the login itself serves for all sides. An administrator who may make roles needs no right to our
    tables: what the roles may do there, their owner grants at the next start.
    """
    grant = statement("migrate/grant_roles")
    with psycopg.connect(conninfo, autocommit=True, options="-c client_min_messages=warning") as connection:
        try:
            connection.execute(statement("migrate/create_roles"))
        except psycopg.errors.InsufficientPrivilege:
            (commands,) = connection.execute(statement("migrate/tell_roles")).fetchall()
            return str(commands[0])
        try:
            connection.execute(grant)
        except psycopg.errors.InsufficientPrivilege:
            return grant
    return None


def has_roles(conninfo: str) -> bool:
    """Whether the roles are in place and this login may act as them; nothing is changed."""
    with psycopg.connect(conninfo) as connection:
        ((found,),) = connection.execute(statement("migrate/find_roles")).fetchall()
    return bool(found)
