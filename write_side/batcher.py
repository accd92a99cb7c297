"""Group commit: the commands that wait at the same moment share one transaction, and no command waits for company."""

from __future__ import annotations

import asyncio
from collections import deque
from time import perf_counter
from typing import TYPE_CHECKING

import structlog

from shared.core.errors import CockpitError, Unavailable

if TYPE_CHECKING:
    from write_side.appends import Append, Verdict
    from write_side.event_store import EventStore

log = structlog.get_logger()


class Batcher:
    """A bounded queue in front of the event store, emptied by one task, one batch after the other."""

    def __init__(self, store: EventStore, *, queue_commands: int, batch_commands: int) -> None:
        self._store = store
        self._queue_commands = queue_commands
        self._batch_commands = batch_commands
        self._queue: deque[tuple[Append, asyncio.Future[Verdict]]] = deque()
        self._wake = asyncio.Event()
        self._stopping = False
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to empty the queue."""
        self._task = asyncio.create_task(self._run(), name="batcher")

    async def stop(self) -> None:
        """Finish what waits, then stop."""
        if self._task is None:
            return
        self._stopping = True
        self._wake.set()
        await self._task
        self._task = None

    async def submit(self, append: Append) -> Verdict:
        """Return the verdict on a command once it is committed. Raises Unavailable when the queue is full."""
        if self._stopping or len(self._queue) >= self._queue_commands:
            raise Unavailable("Too many commands are waiting for the log.")
        future: asyncio.Future[Verdict] = asyncio.get_running_loop().create_future()
        self._queue.append((append, future))
        self._wake.set()
        return await future

    async def _run(self) -> None:
        while not self._stopping:
            await self._wake.wait()
            self._wake.clear()
            while self._queue:
                batch = [self._queue.popleft() for _ in range(min(len(self._queue), self._batch_commands))]
                await self._commit(batch)

    async def _commit(self, batch: list[tuple[Append, asyncio.Future[Verdict]]]) -> None:
        started = perf_counter()
        try:
            verdicts = await self._store.append([append for append, _ in batch])
        except Exception as error:  # whatever it is, nobody may wait for ever
            if len(batch) > 1 and not isinstance(error, CockpitError):
                for item in batch:  # one of them is at fault, the others must not suffer
                    await self._commit([item])
                return
            log.exception("append failed", commands=len(batch))
            for _, future in batch:
                if not future.done():
                    future.set_exception(error)
            return
        for (_, future), verdict in zip(batch, verdicts, strict=True):
            if not future.done():
                future.set_result(verdict)
        log.info(
            "appended",
            commands=len(batch),
            events=sum(len(append.events) for append, _ in batch),
            position=max(verdict.position for verdict in verdicts),
            ms=round((perf_counter() - started) * 1000, 2),
        )
