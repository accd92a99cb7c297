"""Waiting until the read model has a position, or the log more events: for who reads what was written, and who follows.

One connection a process listens for what is appended and for the projector's batches. What it hears is a hint only: how
far both are is read after every hint, and every POLL_SECONDS while somebody waits: a lost notification delays who waits
and loses nobody. Who asks anew in any case is let go by the hint itself. Where nobody waits, hints of PACE_SECONDS
share one read: there is one for every batch of commands.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import psycopg
import structlog

from db.asking import ask
from db.listening import heard
from db.queries import statement

if TYPE_CHECKING:
    from psycopg import Notify

    from db.pool import Connection

CHANNEL = "cockpit_projected"
POSITION = re.compile("[0-9]{1,18}")
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
        self._waiting: dict[asyncio.Future[None], Callable[[int], bool]] = {}
        self._wanted = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def position(self) -> int:
        """The position that the read model had when it was last read."""
        return self._position

    @property
    def head(self) -> int:
        """The last position that the log had when that was last read."""
        return self._head

    def note(self, position: int) -> None:
        """Take note of a position that somebody else has just read."""
        self._position = max(self._position, position)

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
        return await self._wait(lambda _: self._position >= position, timeout)

    async def wait_for_word(self, position: int, timeout: float) -> None:  # noqa: ASYNC109  # as above
        """Return as soon as it is said that the read model has the position, or read, or so many seconds have passed.

        For who asks the read model then, and waits again where it has not: a word may be wrong.
        """
        await self._wait(lambda said: max(said, self._position) >= position, timeout)

    async def wait_until_settled(self, instant: datetime, timeout: float) -> bool:  # noqa: ASYNC109  # as above
        """Return whether all that was recorded at or before the instant was there within so many seconds."""
        return await self._wait(lambda _: self._settled_at >= instant, timeout)

    async def wait_for_news(self, after: int, clock: datetime | None, timeout: float) -> bool:  # noqa: ASYNC109  # as above
        """Return whether, within so many seconds, the log had more than a position.

        With a clock: or the read model had let become current what falls due after that instant.
        """
        return await self._wait(lambda _: self._head > after or (clock is not None and self._clock_at > clock), timeout)

    async def _wait(self, is_there: Callable[[int], bool], timeout: float) -> bool:  # noqa: ASYNC109  # as above
        if is_there(0):
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
        for row in await ask(connection, "read/get_position", {}, prepare=True):
            self._position, self._settled_at, self._clock_at, self._head = row
        self._let_go(0)

    def _let_go(self, said: int) -> None:
        """Let go who waited for what is there by now, or was said to be."""
        for reached, is_there in self._waiting.items():
            if is_there(said) and not reached.done():
                reached.set_result(None)

    async def _hear(self, connection: Connection) -> None:
        """Return when anything was said, or after a poll's time while somebody waits; some time later if nobody does.

        Whoever is let go by what is said waits no more. All that was said is taken before the next read: what is said
        later wakes again.
        """
        hints: Sequence[Notify] = ()
        while not hints:
            hints = await heard(connection, POLL_SECONDS)
            self._let_go(_position(hints))
            if any(not reached.done() for reached in self._waiting):
                return
        self._wanted.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(PACE_SECONDS):  # wait_for of Python 3.11 may swallow that the task was cancelled
                await self._wanted.wait()
        await heard(connection, 0)


def _position(hints: Sequence[Notify]) -> int:
    """Return the last position that the read model is said to have; 0 where none was named."""
    named = [hint.payload for hint in hints if hint.channel == CHANNEL and POSITION.fullmatch(hint.payload)]
    return max(map(int, named), default=0)
