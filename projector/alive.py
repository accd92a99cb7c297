"""`python -m projector.alive` says by its exit code whether the projector on this machine works, for health checks.

It works when it asks the database for something every few seconds, when it or another one leads, and when the read
model moves as long as the log is ahead of it.
"""

from __future__ import annotations

import sys
import time
from typing import Any

import psycopg
from psycopg.rows import dict_row

from db.pool import Dsns
from db.queries import statement
from shared.settings import Settings

QUIET_SECONDS = 10.0
PATIENCE_SECONDS = 3.0
LOOK_SECONDS = 0.1


def trouble(conninfo: str, *, quiet: float = QUIET_SECONDS, patience: float = PATIENCE_SECONDS) -> str | None:
    """Return what is wrong with the projector, None where nothing is.

    `quiet` is for how many seconds it may ask nothing, `patience` how many a read model that is behind has to move.
    The login must be the projector's own: PostgreSQL shows what a session does to its own role only.
    """
    with psycopg.connect(conninfo, autocommit=True, row_factory=dict_row) as connection:
        if not _one(connection, "projector/has_sign_of_life", seconds=quiet)["exists"]:
            return f"the projector has asked the database nothing for {quiet:g} s"
        first = now = _one(connection, "read/get_health")
        give_up = time.monotonic() + patience
        while not now["has_projector"] or now["checkpoint"] == first["checkpoint"] < first["head_position"]:
            if time.monotonic() > give_up:
                return "the read model is behind and does not move" if now["has_projector"] else "no projector leads"
            time.sleep(LOOK_SECONDS)
            now = _one(connection, "read/get_health")
    return None


def _one(connection: psycopg.Connection[dict[str, Any]], name: str, **values: float) -> dict[str, Any]:
    row = connection.execute(statement(name), values).fetchone()
    assert row is not None  # noqa: S101  # both statements have exactly one row
    return row


def main() -> None:
    """Exit 0 or, with a line on standard error, 1."""
    settings = Settings()
    if settings.database_url is None:
        sys.exit("set COCKPIT_DATABASE_URL: an embedded PostgreSQL is watched by the process that runs it")
    dsns = Dsns(settings.database_url.get_secret_value(), settings, with_roles=False)
    try:
        sys.exit(trouble(dsns.of("project"), quiet=max(QUIET_SECONDS, 3 * settings.poll_seconds)))
    except psycopg.Error as error:
        sys.exit(f"the database does not answer: {error}")


if __name__ == "__main__":
    main()
