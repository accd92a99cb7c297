"""`cockpit migrate`, `cockpit status` and `cockpit shell`: the database brought up to date, looked at, asked."""

from __future__ import annotations

import code

import psycopg
from rich.console import Console

from db.connect import database, look, prepare
from db.migrate import migrate
from db.queries import statement
from shared.settings import Settings

out = Console()


def migrate_command() -> None:
    """Bring the database's schema and roles up to date."""
    settings = Settings()
    with database(settings, create=True) as found:
        applied = migrate(found.conninfo)
        prepare(found.conninfo, settings)
    out.print(f"Applied: {', '.join(applied)}." if applied else "Nothing to do: the schema is up to date.")


def status() -> None:
    """Say how far the log and the read model are, and whether a projector runs."""
    settings = Settings()
    with database(settings) as found:
        dsns = look(found.conninfo, settings)
        with psycopg.connect(dsns.of("read"), row_factory=psycopg.rows.dict_row) as connection:
            known = connection.execute(statement("read/get_health")).fetchone() or {}
            rebuilding = connection.execute(statement("read/get_rebuild")).fetchone() or {}
    out.print(f"PostgreSQL   {known['postgresql_version']}")
    out.print(f"log          position {known['head_position']}")
    out.print(f"read model   position {known['checkpoint']}, {known['head_position'] - known['checkpoint']} behind")
    of = f" of {known['parked_streams']} streams: cockpit parked list" if known["parked"] else ""
    out.print(f"parked       {known['parked']} events{of}")
    out.print(f"projector    {'leads' if known['has_projector'] else 'none is running'}")
    if rebuilding["phase"] is not None:
        out.print(f"rebuild      {rebuilding['phase']}: {rebuilding['done']} of {rebuilding['total']}")
    if rebuilding["previous"] is not None:
        out.print(f"kept         the tables before the last rebuild, at position {rebuilding['previous']}")


def shell() -> None:
    """Open a Python prompt with a connection that reads: `query('SELECT * FROM entity_version')`."""
    settings = Settings()
    with database(settings) as found:
        dsns = look(found.conninfo, settings)
        with psycopg.connect(dsns.of("read"), autocommit=True, row_factory=psycopg.rows.dict_row) as connection:

            def query(sql: str) -> list[dict[str, object]]:
                return connection.execute(sql.encode()).fetchall()

            names = {"connection": connection, "query": query, "settings": settings}
            code.interact(banner="query('SELECT …') reads tables and log; Ctrl-D ends.", local=names, exitmsg="")
