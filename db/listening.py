"""Hearing what a connection was told."""

from __future__ import annotations

from typing import TYPE_CHECKING

from psycopg import Notify

from db.watching import come

if TYPE_CHECKING:
    from db.pool import Connection


async def heard(connection: Connection, seconds: float) -> list[Notify]:
    """Return what was said and not heard yet, at least one thing; nothing where so many seconds pass before.

    Only for whoever has the connection for itself. Raises OperationalError when it has ended.
    """
    pgconn = connection.pgconn
    found: list[Notify] = []

    def is_there() -> bool:
        while (one := pgconn.notifies()) is not None:
            found.append(Notify(one.relname.decode(), one.extra.decode(errors="replace"), one.be_pid))
        return bool(found)

    if not is_there():
        await come(pgconn, is_there, seconds)
    return found
