"""The services of each side, wired: pools, handler, accounts, read model; open for the length of a block."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING

from msgspec import Struct

from cockpit.clock import clock
from db.accounts import Accounts
from db.pool import Dsns, make_pool
from db.waiting import Waiter
from read_side.feed import Feed
from read_side.projections import Projections
from read_side.queries import ReadModel
from write_side.admission import Admission
from write_side.batcher import Batcher
from write_side.event_store import EventStore
from write_side.handler import Handler
from write_side.rebuilds import Rebuilds
from write_side.rehearsal import rehearsal
from write_side.skipping import Skipper

if TYPE_CHECKING:
    from shared.settings import Settings


class Writers(Struct, frozen=True):
    """What the command side runs on."""

    handler: Handler
    skipper: Skipper
    accounts: Accounts
    rebuilds: Rebuilds
    rehearse: Callable[[], AbstractAsyncContextManager[Handler]]


class Readers(Struct, frozen=True):
    """What the query side runs on."""

    read_model: ReadModel
    feed: Feed
    accounts: Accounts
    projections: Projections


@asynccontextmanager
async def writers(dsns: Dsns, settings: Settings) -> AsyncIterator[Writers]:
    """Yield the command side, taking commands until the block ends."""
    async with make_pool(dsns.of("write"), settings.pool_size) as pool:
        store = EventStore(pool)
        batcher = Batcher(store, batch_commands=settings.batch_commands)
        admission = Admission(commands=settings.queue_commands, size=settings.queue_bytes)
        batcher.start()
        try:
            yield Writers(
                Handler(store, batcher, admission, clock),
                Skipper(store, batcher, admission),
                Accounts(pool, login_failures=settings.login_failures),
                Rebuilds(pool),
                lambda: rehearsal(pool, admission, clock, settings.batch_commands),
            )
        finally:
            await batcher.stop()


@asynccontextmanager
async def readers(dsns: Dsns, settings: Settings, waiter: Waiter) -> AsyncIterator[Readers]:
    """Yield the query side."""
    async with make_pool(dsns.of("read"), settings.pool_size) as pool:
        read_model = ReadModel(pool, settings.page_size, settings.wait_seconds, waiter)
        yield Readers(read_model, Feed(pool, waiter), Accounts(pool), Projections(pool))


@asynccontextmanager
async def waiting(dsns: Dsns) -> AsyncIterator[Waiter]:
    """Yield what tells how far the read model and the log are, listening until the block ends."""
    waiter = Waiter(dsns.of("read"))
    await waiter.start()
    try:
        yield waiter
    finally:
        await waiter.stop()
