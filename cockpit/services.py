"""The services of each side, wired: pools, handler, accounts, read model; open for the length of a block."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from msgspec import Struct

from db.accounts import Accounts
from db.pool import Dsns, make_pool
from db.waiting import Waiter
from read_side.queries import ReadModel
from write_side.admission import Admission
from write_side.batcher import Batcher
from write_side.event_store import EventStore
from write_side.handler import Handler
from write_side.rehearsal import rehearsal

if TYPE_CHECKING:
    from shared.settings import Settings


class Writers(Struct, frozen=True):
    """What the command side runs on."""

    handler: Handler
    accounts: Accounts
    rehearse: Callable[[], AbstractAsyncContextManager[Handler]]


class Readers(Struct, frozen=True):
    """What the query side runs on."""

    read_model: ReadModel
    accounts: Accounts


def clock() -> datetime:
    """Return the time: the one place where the service asks for it."""
    return datetime.now(UTC)  # noqa: TID251  # the entry point that the ban speaks of


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
                Accounts(pool, login_failures=settings.login_failures),
                lambda: rehearsal(pool, admission, clock, settings.batch_commands),
            )
        finally:
            await batcher.stop()


@asynccontextmanager
async def readers(dsns: Dsns, settings: Settings, waiter: Waiter) -> AsyncIterator[Readers]:
    """Yield the query side."""
    async with make_pool(dsns.of("read"), settings.pool_size) as pool:
        yield Readers(ReadModel(pool, settings.page_size, settings.wait_seconds, waiter), Accounts(pool))


@asynccontextmanager
async def waiting(dsns: Dsns) -> AsyncIterator[Waiter]:
    """Yield what tells how far the read model is, listening until the block ends."""
    waiter = Waiter(dsns.of("read"))
    await waiter.start()
    try:
        yield waiter
    finally:
        await waiter.stop()
