"""One batch: read events, fold them, write rows and checkpoint in one transaction behind the fence."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from time import perf_counter
from typing import TYPE_CHECKING, Any

import psycopg
from msgspec import Struct
from msgspec.structs import replace

from db.asking import ask
from db.pipeline import Asked, Pipeline
from db.queries import statement
from projector.clock import Outlook, count_flipped, flip_current, look_ahead, settled
from projector.folding import Folding
from projector.states import Memory

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Sequence
    from datetime import datetime

    from db.pool import Connection
    from projector.rows import Statement
    from shared.core.codec import LogRow

EVENTS = "projector/read_events"
NOTIFY = "projector/notify_projected"


class Fenced(Exception):
    """Another projector moved the checkpoint, rows were changed beside the fold, or this set of tables is retired."""


class Batch(Struct, frozen=True):
    """What a batch did: the checkpoint it reached, how many events it folded, how many of them it set aside.

    `flipped` counts the rows that became current, or ceased to be, since the batch before: they fell due meanwhile.
    """

    position: int
    events: int
    parked: int
    flipped: int


class Projection:
    """The read model as one projector leads it: the checkpoint it must find, and the streams that are parked."""

    def __init__(
        self,
        connection: Connection,
        position: int,
        clock_at: datetime,
        generation: int,
        parked_streams: set[str],
        outlook: Outlook,
    ) -> None:
        self._connection = connection
        self.position = position
        self._clock_at = clock_at
        self._generation = generation
        self._parked_streams = parked_streams
        self._outlook = perf_counter(), outlook
        self._due_at = outlook.due_at
        self._memory = Memory()
        self._forget()

    @classmethod
    async def open(cls, connection: Connection) -> Projection:
        """Begin where the read model stands. Raises Fenced when it is retired."""
        await connection.execute(statement("projector/begin_to_lead"))
        cursor = await connection.execute(statement("projector/read_checkpoint"))
        row = await cursor.fetchone()
        if row is None:
            raise Fenced
        cursor = await connection.execute(statement("projector/read_parked_streams"))
        parked_streams = {stream for (stream,) in await cursor.fetchall()}
        position, clock_at, generation = row
        return cls(connection, position, clock_at, generation, parked_streams, await look_ahead(connection))

    async def advance(self, limit: int) -> Batch | None:
        """Fold up to `limit` more events; None when there are none. Raises Fenced, and leaves nothing half done.

        Where so many were there, the next ones are folded while these are written, and those after them read.
        """
        try:
            return await self._advance(limit)
        except BaseException:
            self._forget()
            raise

    def _forget(self) -> None:
        self._memory.clear()
        self._ahead: Folding | None = None
        self._later: Folding | None = None

    async def _advance(self, limit: int) -> Batch | None:
        batch, ahead = self._ahead, self._later
        self._ahead = self._later = None
        if batch is None or batch.events > limit:
            batch, ahead = await self._read(limit, self.position, self._parked_streams), None
            if batch is None:
                return None
            known = batch.know(self._memory, ())
            if not known.is_whole:
                async with Pipeline(self._connection) as sending:
                    known.ask(sending, self.position)
            batch.hear()
        writes = await batch.finish(self._connection, self.position)
        if batch.is_plain:
            self._memory.keep(writes.heads)
        else:
            self._memory.clear()
        if not batch.is_plain or batch.events < limit:
            ahead = None
        elif ahead is None or ahead.events > limit:
            ahead = await self._read(limit, batch.position, writes.parked_streams)
        flipped = await self._write(batch, ahead, limit)
        return Batch(self.position, batch.events, len(writes.parked), flipped)

    async def _read(self, limit: int, after: int, parked_streams: set[str]) -> Folding | None:
        """Return the next events after a position; None when there are none."""
        rows = await ask(self._connection, EVENTS, {"after": after, "limit": limit}, prepare=True)
        return Folding(rows, parked_streams) if rows else None

    async def look_ahead(self, seconds: float = 0) -> Outlook:
        """Return what is to come; due_at, which a batch goes by, may have been too early since rows were superseded.

        What was seen up to so many seconds ago will do, unless a batch has changed when something falls due.
        """
        looked_at, outlook = self._outlook
        passed = perf_counter() - looked_at
        if passed < seconds and outlook.due_at == self._due_at:
            return outlook.after(passed)
        self._outlook = perf_counter(), await look_ahead(self._connection)
        self._due_at = self._outlook[1].due_at
        return self._outlook[1]

    async def fall_due(self) -> int:
        """Let what fell due become current, and return how many rows changed. Raises Fenced."""
        async with self._behind_fence("projector/move_clock", {}) as sending:
            flips = flip_current(sending, self._clock_at)
            sending.ask(NOTIFY, {"position": self.position})
        return count_flipped(flips)

    async def settle(self) -> bool:
        """Write down up to when all that was recorded is projected; False where nobody can say. Raises Fenced."""
        settled_at = await settled(self._connection, self.position)
        if settled_at is None:
            return False
        async with self._behind_fence("projector/move_settled", {"settled_at": settled_at}) as sending:
            sending.ask(NOTIFY, {"position": self.position})
        looked_at, outlook = self._outlook
        self._outlook = looked_at, replace(outlook, is_unsettled=False)
        return True

    async def _write(self, batch: Folding, ahead: Folding | None, limit: int) -> int:
        """Write a batch, fold the one after it meanwhile and read the one after that; return how many rows fell due.

        What these need is asked, and answered, before anything is written.
        """
        flips: list[Asked] = []
        asked: list[Asked] = []
        later: Asked | None = None
        folding: asyncio.Future[Folding | None] | None = None
        moved = {"position": batch.position, "recorded_at": batch.recorded_at}

        def before(sending: Pipeline) -> None:
            nonlocal later
            if ahead is None:
                return
            known = ahead.know(self._memory, batch.writes.heads)
            known.ask(sending, batch.position)
            asked.extend(known.asked)
            if ahead.events == limit:
                later = sending.ask(EVENTS, {"after": ahead.position, "limit": limit})
                asked.append(later)
            sending.hurry()

        try:
            async with self._behind_fence("projector/move_checkpoint", moved, before) as sending:
                if self._due_at is not None:
                    flips = flip_current(sending, self._clock_at)
                _send(sending, batch.statements[:1])  # so that the database has something to do
                if ahead is not None:
                    await sending.answered(*asked)
                    ahead.hear()
                    rows = later.rows if later is not None else []
                    folding = asyncio.ensure_future(asyncio.to_thread(_fold, ahead, rows, batch.writes.parked_streams))
                _send(sending, batch.statements[1:])
                sending.ask(NOTIFY, {"position": batch.position})
        finally:
            if folding is not None:
                await asyncio.wait({folding})
        self.position = batch.position
        self._parked_streams = batch.writes.parked_streams
        await self._foresee(batch.to_come)
        if folding is not None:
            self._ahead, self._later = ahead, folding.result()
        return count_flipped(flips)

    async def _foresee(self, to_come: Sequence[datetime]) -> None:
        """Keep in mind when a row next begins or ceases to be current, now that some do at these instants."""
        if self._due_at is not None and self._due_at <= self._clock_at:
            await self.look_ahead()
        instants = (i for i in (self._due_at, *to_come) if i is not None and i > self._clock_at)
        self._due_at = min(instants, default=None)

    @asynccontextmanager
    async def _behind_fence(
        self, name: str, parameters: dict[str, Any], before: Callable[[Pipeline], None] = lambda _: None
    ) -> AsyncIterator[Pipeline]:
        """Give a transaction that writes nothing before the fence. Raises Fenced.

        It takes one round trip, its end with it: a fence that moves nothing is an error, and what is behind it in the
        pipeline is passed over. What is sent `before` it asks what was there before anything is written.
        """
        expected = {"expected": self.position, "generation": self._generation}
        fence = None
        try:
            async with Pipeline(self._connection) as sending:
                sending.say(b"BEGIN")
                before(sending)
                fence = sending.ask(name, {**expected, **parameters})
                yield sending
                sending.say(b"COMMIT")
        except BaseException as error:
            if not self._connection.closed:
                async with Pipeline(self._connection) as ending:  # psycopg's way would forget what is prepared
                    ending.say(b"ROLLBACK")
            if fence is not None and isinstance(fence.error, psycopg.errors.DivisionByZero):
                raise Fenced from error
            raise
        ((self._clock_at,),) = fence.rows


def _send(sending: Pipeline, statements: Iterable[Statement]) -> None:
    for name, parameters in statements:
        sending.ask(name, parameters)


def _fold(batch: Folding, rows: Sequence[LogRow], parked_streams: set[str]) -> Folding | None:
    """Fold a batch, and return the one after it as far as that goes; PURE: it runs in a thread of its own."""
    batch.fold()
    return Folding(rows, parked_streams) if rows else None
