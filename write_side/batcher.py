"""Group commit: the commands that wait at the same moment share one transaction, and no command waits for company."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from time import perf_counter
from typing import TYPE_CHECKING, Any

import structlog

from shared.core.errors import CockpitError, Unavailable

if TYPE_CHECKING:
    from write_side.appends import Append, Verdict
    from write_side.event_store import EventStore

BATCH_BYTES = 8 * 1024 * 1024
STOP_SECONDS = 5.0

log = structlog.get_logger()


class Batcher:
    """A queue in front of the event store, emptied by one task, one batch after the other."""

    def __init__(self, store: EventStore, *, batch_commands: int) -> None:
        self._store = store
        self._batch_commands = batch_commands
        self._queue: deque[tuple[Append, asyncio.Future[Verdict]]] = deque()
        self._wake = asyncio.Event()
        self._stopping = False
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to empty the queue."""
        self._task = asyncio.create_task(self._run(), name="batcher")

    async def stop(self) -> None:
        """Finish what waits, for STOP_SECONDS at most; what is left then fails with Unavailable."""
        if self._task is None:
            return
        self._stopping = True
        self._wake.set()
        await asyncio.wait({self._task}, timeout=STOP_SECONDS)
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        while self._queue:
            _, future = self._queue.popleft()
            _settle(future, Unavailable("The service is stopping."))
        self._task = None

    async def submit(self, append: Append) -> Verdict:
        """Return the verdict on a command once it is committed. Raises Unavailable while it stops."""
        return await self._enqueue(append)

    async def submit_all(self, appends: Iterable[Append]) -> list[Verdict | BaseException]:
        """Return the verdict on each of some commands, or why it has none. Raises Unavailable while it stops."""
        futures = [self._enqueue(append) for append in appends]
        return await asyncio.gather(*futures, return_exceptions=True)

    def _enqueue(self, append: Append) -> asyncio.Future[Verdict]:
        if self._stopping:
            raise Unavailable("The service is stopping.")
        future: asyncio.Future[Verdict] = asyncio.get_running_loop().create_future()
        self._queue.append((append, future))
        self._wake.set()
        return future

    async def _run(self) -> None:
        while not self._stopping:
            await self._wake.wait()
            self._wake.clear()
            while self._queue:
                await self._commit(self._next())

    def _next(self) -> list[tuple[Append, asyncio.Future[Verdict]]]:
        """Take the next batch off the queue: bounded in commands and in bytes, at least one command."""
        batch = [self._queue.popleft()]
        size = batch[0][0].size
        while self._queue and len(batch) < self._batch_commands and size < BATCH_BYTES:
            batch.append(self._queue.popleft())
            size += batch[-1][0].size
        return batch

    async def _commit(self, batch: list[tuple[Append, asyncio.Future[Verdict]]]) -> None:
        """Append a batch and settle its futures, whatever happens: nobody may wait for ever."""
        started = perf_counter()
        try:
            verdicts = await self._store.append([append for append, _ in batch])
        except asyncio.CancelledError:
            for _, future in batch:
                _settle(future, Unavailable("The service is stopping: whether this was recorded is not known."))
            raise
        except Exception as error:  # noqa: BLE001  # it is told to those who wait, and logged
            if len(batch) > 1 and not isinstance(error, CockpitError):
                for item in batch:  # one of them is at fault, the others must not suffer
                    await self._commit([item])
                return
            for _, future in batch:
                _settle(future, error)
            report(log.exception, "append failed", commands=len(batch))
            return
        for (_, future), verdict in zip(batch, verdicts, strict=True):
            _settle(future, verdict)
        report(
            log.info,
            self._store.does,
            commands=len(batch),
            events=sum(len(append.events) for append, _ in batch),
            position=max(verdict.position for verdict in verdicts),
            ms=round((perf_counter() - started) * 1000, 2),
        )


def _settle(future: asyncio.Future[Verdict], outcome: Verdict | Exception) -> None:
    """Give a waiting command its outcome, unless its client has gone."""
    if future.done():
        return
    if isinstance(outcome, Exception):
        future.set_exception(outcome)
    else:
        future.set_result(outcome)


def report(line: Callable[..., Any], event: str, **values: object) -> None:
    """Write a log line; a log that cannot be written (a full disk) stops no write."""
    with suppress(OSError):
        line(event, **values)
