"""Hearing what a connection was told: psycopg's own way looks ten times a second, and takes a few steps a word."""

from __future__ import annotations

from asyncio import get_running_loop
from typing import TYPE_CHECKING

from psycopg import Notify, OperationalError

if TYPE_CHECKING:
    from psycopg.pq.abc import PGconn

    from db.pool import Connection


async def heard(connection: Connection, seconds: float) -> list[Notify]:
    """Return what was said and not heard yet, at least one thing; nothing where so many seconds pass before.

    Only for whoever has the connection for itself. Raises OperationalError when it has ended.
    """
    pgconn, loop = connection.pgconn, get_running_loop()
    if found := _said(pgconn):
        return found
    coming = loop.create_future()

    def look() -> None:
        if coming.done():
            return
        try:
            pgconn.consume_input()
        except OperationalError as error:
            coming.set_exception(error)
        else:
            if found := _said(pgconn):
                coming.set_result(found)

    def give_up() -> None:
        if not coming.done():
            coming.set_result([])

    timer = loop.call_later(seconds, give_up)
    socket = pgconn.socket
    loop.add_reader(socket, look)
    try:
        said: list[Notify] = await coming
        return said
    finally:
        loop.remove_reader(socket)
        timer.cancel()


def _said(pgconn: PGconn) -> list[Notify]:
    """Take what is at hand."""
    found = []
    while (one := pgconn.notifies()) is not None:
        found.append(Notify(one.relname.decode(), one.extra.decode(errors="replace"), one.be_pid))
    return found
