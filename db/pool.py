"""Connections: one pool a side, each acting as the role of its side."""

from __future__ import annotations

import os
import re
import select
import socket
from asyncio import get_running_loop
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from math import inf
from time import monotonic
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.pq import TransactionStatus
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from shared.core.errors import Unavailable

if TYPE_CHECKING:
    from shared.settings import Settings

Side = Literal["write", "project", "read"]
ROLES: dict[Side, str] = {"write": "cockpit_writer", "project": "cockpit_projector", "read": "cockpit_reader"}
CONNECT_SECONDS = 2
OPTIONS = (
    "-c timezone=UTC",
    "-c search_path=read_model,public",
    "-c jit=off",
    r"-c default_transaction_isolation=read\ committed",
    "-c lock_timeout=5s",
)
STATEMENT_MS: dict[Side, int] = {"write": 10_000, "project": 0, "read": 30_000}
"""How long a statement of a side may take; a projector may have to catch up."""
SPARE_SECONDS = 3.0
"""How much longer an answer may take than the server lets its statement take: to be sent, and to be read here."""
TIMEOUT = re.compile(r"statement_timeout=(\d+)")

AT_HAND = 2
AT_HAND_SECONDS = 60.0
IDLE = TransactionStatus.IDLE

Answer = TypeVar("Answer")
Connection = psycopg.AsyncConnection[tuple[Any, ...]]


class NoAnswer(psycopg.OperationalError):
    """The server has been silent for longer than it lets a statement take: it does not run, or nobody hears it."""


class Dsns:
    """Where each side connects, and as whom.

    A side with a DSN of its own uses it as it is; the others share one DSN and switch to their role when they connect
    (`with_roles`), or act as the login itself where the roles could not be made.
    """

    def __init__(self, shared: str, settings: Settings | None = None, *, with_roles: bool = True) -> None:
        self.shared = shared
        self.with_roles = with_roles
        own = settings.side_urls if settings else {}
        self._own = {side: url.get_secret_value() for side, url in own.items()}

    def of(self, side: Side) -> str:
        """Return the conninfo of a side."""
        options = [*OPTIONS, f"-c statement_timeout={STATEMENT_MS[side]}"]
        base = self._own.get(side, self.shared)
        if side not in self._own and self.with_roles:
            options.append(f"-c role={ROLES[side]}")
        given = conninfo_to_dict(base)
        return make_conninfo(
            base,
            options=" ".join([str(given.get("options") or ""), *options]).strip(),
            application_name=f"cockpit-{side}",
            connect_timeout=given.get("connect_timeout", CONNECT_SECONDS),
            keepalives_idle=given.get("keepalives_idle", 30),
        )


class Pool(AsyncConnectionPool[Connection]):
    """A pool that has some connections at hand: psycopg's own takes many steps to give one and to take it back.

    Whoever wants one is given one of these first, and none stays at hand while anybody waits. After AT_HAND_SECONDS one
    goes back, so that it ends when it should.
    """

    def __init__(self, *args: Any, **options: Any) -> None:  # noqa: ANN401  # as psycopg's
        super().__init__(*args, **options)
        self._at_hand: list[Connection] = []
        self._since: dict[Connection, float] = {}
        self._wanting = 0

    async def getconn(self, timeout: float | None = None) -> Connection:  # noqa: ASYNC109  # as psycopg has it
        """Return a connection that is sound, as far as one can tell without asking it."""
        while self._at_hand:
            connection = self._at_hand.pop()
            if not _has_news(connection):
                return connection
            await self._give_back(connection)
        self._wanting += 1
        try:
            connection = await super().getconn(timeout)
        finally:
            self._wanting -= 1
        self._since[connection] = monotonic()
        return connection

    async def putconn(self, conn: Connection) -> None:
        """Take a connection back."""
        if self._may_stay(conn):
            self._at_hand.append(conn)
        else:
            await self._give_back(conn)

    @asynccontextmanager
    async def connection(self, timeout: float | None = None) -> AsyncIterator[Connection]:  # noqa: ASYNC109  # as above
        """Give a connection for a block of short statements.

        Raises NoAnswer where one is silent, after the time that all of them have: as long as a single one may take.
        """
        async with super().connection(timeout) as connection:
            hanging_up = get_running_loop().call_later(patience(connection), _hang_up, connection)
            try:
                yield connection
            except psycopg.OperationalError as error:
                if get_running_loop().time() < hanging_up.when():
                    raise
                raise NoAnswer(str(error)) from error
            finally:
                hanging_up.cancel()

    async def close(self, timeout: float = 5.0) -> None:  # noqa: ASYNC109  # as psycopg has it
        """Close the connections."""
        await super().close(timeout)
        while self._at_hand:  # a closed pool closes what it is given
            await self._give_back(self._at_hand.pop())

    def _may_stay(self, connection: Connection) -> bool:
        return (
            not self._wanting
            and len(self._at_hand) < AT_HAND
            and connection.pgconn.transaction_status == IDLE
            and monotonic() - self._since[connection] < AT_HAND_SECONDS
            and not self.closed
        )

    async def _give_back(self, connection: Connection) -> None:
        self._since.pop(connection, None)
        await super().putconn(connection)


def make_pool(conninfo: str, size: int) -> Pool:
    """Return a pool of autocommit connections, not yet open; to wait CONNECT_SECONDS for one is an error.

    It gives up on a connection as soon as its callers do: the pauses between its attempts double, so with more patience
    it would find a server that was away for an hour an hour late.
    """
    return Pool(
        conninfo,
        min_size=1,
        max_size=size,
        timeout=CONNECT_SECONDS,
        reconnect_timeout=CONNECT_SECONDS,
        open=False,
        kwargs={"autocommit": True},
        check=_check,
    )


def patience(connection: Connection) -> float:
    """Return for how many seconds to wait for an answer: a server that runs has ended its statement by then."""
    found = TIMEOUT.findall(connection.info.get_parameters().get("options", ""))
    milliseconds = int(found[-1]) if found else 0
    return milliseconds / 1000 + SPARE_SECONDS if milliseconds else inf


async def once_more(ask: Callable[[], Awaitable[Answer]]) -> Answer:
    """Return what `ask` does, asked again where its connection died over the question: it must change nothing.

    Raises Unavailable when the database does not answer.
    """
    try:
        try:
            return await ask()
        except (psycopg.errors.QueryCanceled, PoolTimeout, NoAnswer):
            raise
        except psycopg.OperationalError:
            return await ask()
    except (psycopg.OperationalError, psycopg.InterfaceError) as error:  # a pool that times out raises the first
        raise unavailable(error) from error


def _hang_up(connection: Connection) -> None:
    """Let a connection hear that it has ended: to close it would take its socket from who waits at it."""
    with suppress(OSError, psycopg.OperationalError), socket.socket(fileno=os.dup(connection.fileno())) as line:
        line.shutdown(socket.SHUT_RDWR)


async def _check(connection: Connection) -> None:
    """Raise OperationalError when the server has gone since the connection was last used.

    Then there is something to read, the end of the stream; on a sound idle connection there hardly ever is. So to look
    costs no round trip.
    """
    if _has_news(connection):
        await AsyncConnectionPool.check_connection(connection)


def _has_news(connection: Connection) -> bool:
    waiting = select.poll()
    waiting.register(connection.fileno(), select.POLLIN)
    return bool(waiting.poll(0))


def unavailable(error: Exception) -> Unavailable:
    """Return the error a caller sees when the database does not answer."""
    return Unavailable(f"The database does not answer: {type(error).__name__}.", retry_after=1)
