"""Waiting until the read model has a position, or the log more events: for who reads what was written, and who follows.

One connection a process listens for what is appended and for the projector's batches. What it hears is a hint only: how
far both are is read after every hint, and every POLL_SECONDS while somebody waits: a lost notification delays who waits
and loses nobody. Where nobody waits, hints of PACE_SECONDS share one read: there is one for every batch of commands.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import psycopg
import structlog

from db.queries import statement

if TYPE_CHECKING:
    from db.pool import Connection

POLL_SECONDS = 0.25
PACE_SECONDS = 0.05
BACKOFF_SECONDS = (0.1, 0.2, 0.5, 1.0, 2.0)

log = structlog.get_logger()


class Waiter:
    """Tells when the read model has reached a position, and when the log has more.

    `start` and `stop` it on the event loop that uses it.
    """

    def __init__(self, conninfo: str) -> None:
        """Take the conninfo of a direct connection to the read model: transaction pooling knows no LISTEN."""
        self._conninfo = conninfo
        self._position = 0
        self._settled_at = self._clock_at = datetime.min.replace(tzinfo=UTC)
        self._head = 0
        self._waiting: dict[asyncio.Future[None], Callable[[], bool]] = {}
        self._wanted = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to listen, now or as soon as the database answers."""
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="read-side-waiter")

    async def stop(self) -> None:
        """Close the connection; who still waits does so until their time is over."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def wait_for(self, position: int, timeout: float) -> bool:  # noqa: ASYNC109  # a bound, not a cancellation
        """Return whether the read model had the position within so many seconds."""
        return await self._wait(lambda: self._position >= position, timeout)

    async def wait_until_settled(self, instant: datetime, timeout: float) -> bool:  # noqa: ASYNC109  # as above
        """Return whether all that was recorded at or before the instant was there within so many seconds."""
        return await self._wait(lambda: self._settled_at >= instant, timeout)

    async def wait_for_news(self, after: int, clock: datetime | None, timeout: float) -> bool:  # noqa: ASYNC109  # as above
        """Return whether, within so many seconds, the log had more than a position.

        With a clock: or the read model had let become current what falls due after that instant.
        """
        return await self._wait(lambda: self._head > after or (clock is not None and self._clock_at > clock), timeout)

    async def _wait(self, is_there: Callable[[], bool], timeout: float) -> bool:  # noqa: ASYNC109  # as above
        if is_there():
            return True
        reached = asyncio.get_running_loop().create_future()
        self._waiting[reached] = is_there
        self._wanted.set()
        try:
            async with asyncio.timeout(timeout):
                await reached
        except TimeoutError:
            return False
        finally:
            del self._waiting[reached]
        return True

    async def _run(self) -> None:
        failures = 0
        while True:
            try:
                connection = await psycopg.AsyncConnection.connect(self._conninfo, autocommit=True)
                async with connection:
                    await connection.execute(statement("read/listen_projected"))
                    await connection.execute(statement("read/listen_events"))
                    failures = 0
                    while True:
                        await self._read(connection)
                        await self._hear(connection)
            except psycopg.Error as error:
                pause = BACKOFF_SECONDS[min(failures, len(BACKOFF_SECONDS) - 1)]
                failures += 1
                log.warning("waiter cannot listen", error=type(error).__name__, retry_in=pause)
                await asyncio.sleep(pause)

    async def _read(self, connection: Connection) -> None:
        """Read how far the read model and the log are, and let go who waited for that."""
        cursor = await connection.execute(statement("read/get_position"), prepare=True)
        row = await cursor.fetchone()
        if row:
            self._position, self._settled_at, self._clock_at, self._head = row
        for reached, is_there in self._waiting.items():
            if is_there() and not reached.done():
                reached.set_result(None)

    async def _hear(self, connection: Connection) -> None:
        """Return when anything was said, or after a poll's time while somebody waits; some time later if nobody does.

        All that was said is taken before the next read: what is said later wakes again.
        """
        heard = False
        while not heard:
            async for _ in connection.notifies(timeout=POLL_SECONDS, stop_after=1):
                heard = True
            if self._waiting:
                return
        self._wanted.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(PACE_SECONDS):  # wait_for of Python 3.11 may swallow that the task was cancelled
                await self._wanted.wait()
        async for _ in connection.notifies(timeout=0):
            pass
