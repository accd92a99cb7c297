"""Running the parts of the service in one process: started in order, stopped in reverse."""

from __future__ import annotations

import asyncio
import gc
import signal
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import uvloop
from msgspec import Struct

from projector.worker import Worker
from shared.core.errors import CockpitError

if TYPE_CHECKING:
    from db.connect import Database
    from db.pool import Dsns
    from shared.settings import Settings

WATCH_SECONDS = 0.5
GC_THRESHOLD = (10_000, 20, 50)
"""How many new objects, and how many rounds, before the collector looks for circles: requests leave few."""


class DatabaseEnded(CockpitError):
    """The embedded PostgreSQL has ended by itself: see {log}."""

    def __init__(self, log: object) -> None:
        self.log = log


class Part(Struct, frozen=True):
    """What runs until it is told to stop, and what helps it meanwhile."""

    task: asyncio.Task[Any]
    stop: Callable[[], None]
    helping: tuple[asyncio.Task[Any], ...] = ()


Start = Callable[["Settings", "Dsns"], Awaitable[Part | None]]
"""Starts a part, in the loop that it runs in; None for what is done then."""


def run(settings: Settings, dsns: Dsns, database: Database, *starts: Start) -> None:
    """Run the parts until SIGINT or SIGTERM, or until one of them fails: then raise its error."""
    uvloop.run(_run(settings, dsns, database, starts))


async def start_projector(settings: Settings, dsns: Dsns) -> Part:
    """Start the projector; of several one leads."""
    worker = Worker(dsns.of("project"), poll_seconds=settings.poll_seconds, batch_events=settings.batch_events)
    return Part(asyncio.create_task(worker.run(), name="projector"), worker.stop)


async def _run(settings: Settings, dsns: Dsns, database: Database, starts: tuple[Start, ...]) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    running = [part for start in starts if (part := await start(settings, dsns)) is not None]
    _settle_memory()
    watch = asyncio.create_task(_watch(database), name="database")
    stopping = asyncio.create_task(stop.wait(), name="stop")
    tasks = [part.task for part in running]
    await asyncio.wait([*tasks, watch, stopping], return_when=asyncio.FIRST_COMPLETED)
    for part in reversed(running):
        part.stop()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    for task in (watch, stopping, *(helper for part in running for helper in part.helping)):
        task.cancel()
    failures = [result for result in results if isinstance(result, BaseException)]
    if watch.done() and not watch.cancelled() and watch.exception() is not None:
        failures.append(watch.exception())  # type: ignore[arg-type]  # just seen not to be None
    for failure in failures:
        raise failure


def _settle_memory() -> None:
    """Look for circles less often, and never through what is there from the start: looking took a third of a second."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLD)


async def _watch(database: Database) -> None:
    """Raise DatabaseEnded when the embedded server is gone."""
    while database.alive():  # noqa: ASYNC110  # a process has no event either
        await asyncio.sleep(WATCH_SECONDS)
    raise DatabaseEnded(database.log)
