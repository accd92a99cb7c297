"""Waiting for what comes by a connection: psycopg's own way looks ten times a second, and takes a few steps a word."""

from __future__ import annotations

from asyncio import Future, get_running_loop
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from psycopg.pq.abc import PGconn

LOOK_SECONDS = 0.1
"""How often a connection is looked at that nothing is heard of: its end may be told once, before all of it is read."""


async def come(pgconn: PGconn, is_there: Callable[[], bool], seconds: float | None = None) -> bool:
    """Return True once `is_there` does, asked of what has been read; False where so many seconds pass before.

    Meanwhile what is left to send is sent. Only for whoever has the connection for itself. Raises OperationalError when
    it has ended, and what `is_there` raises.
    """
    watch = _Watch(pgconn, is_there, seconds)
    try:
        return await watch.over
    finally:
        watch.rest()


class _Watch:
    """Looks when there is something to read, or room for what is left to send, and every so often, until it is over."""

    def __init__(self, pgconn: PGconn, is_there: Callable[[], bool], seconds: float | None) -> None:
        self.pgconn, self.is_there = pgconn, is_there
        self.socket, self.loop = pgconn.socket, get_running_loop()
        self.over: Future[bool] = self.loop.create_future()
        self.is_sent = not pgconn.flush()
        self.loop.add_reader(self.socket, self.look)
        if not self.is_sent:
            self.loop.add_writer(self.socket, self.look)
        if seconds is None:
            self.timer = self.loop.call_later(LOOK_SECONDS, self.look_again)
        else:
            self.timer = self.loop.call_later(seconds, self.give_up)

    def look_again(self) -> None:
        """Look, and later again."""
        self.timer = self.loop.call_later(LOOK_SECONDS, self.look_again)
        self.look()

    def look(self) -> None:
        """Send what is left, and take what there is."""
        if self.over.done():
            return
        try:
            if not self.is_sent and not self.pgconn.flush():
                self.is_sent = True
                self.loop.remove_writer(self.socket)
            self.pgconn.consume_input()
            if self.is_there():
                self.over.set_result(True)
        except Exception as error:  # noqa: BLE001  # it is raised where somebody waits
            self.over.set_exception(error)
        if self.over.done():
            self.rest()

    def give_up(self) -> None:
        """Wait no longer."""
        if not self.over.done():
            self.over.set_result(False)
            self.rest()

    def rest(self) -> None:
        """Look no more, before anybody else is given a socket of this number."""
        self.timer.cancel()
        if self.socket >= 0:
            self.loop.remove_reader(self.socket)
            if not self.is_sent:
                self.loop.remove_writer(self.socket)
            self.socket = -1
