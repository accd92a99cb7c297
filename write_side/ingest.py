"""Rows of a file, lines of a batch: many at a time, those that concern one entity in their order, told in order."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Literal, TypeVar
from uuid import UUID

from msgspec import Struct

from shared.core.errors import CockpitError, Contended, Unavailable
from shared.core.events import Context, Metadata
from write_side import ids
from write_side.appends import Receipt
from write_side.command_ids import CommandIds, Name
from write_side.handler import Request
from write_side.upsert import Upsert

if TYPE_CHECKING:
    from write_side.appends import Executed
    from write_side.handler import Handler

CHUNK_ROWS = 250
CHUNK_BYTES = 2 * 1024 * 1024
"""How much is taken up at a time; four such chunks may be under way, from being read to being told."""

PATIENCE_SECONDS = 30.0
"""How long rows wait for a database that is away, or for a place in a queue that is full."""

PAUSE_SECONDS = 0.2
MEMORY_OF_A_BYTE = 4

Answer = TypeVar("Answer")
Kind = Literal["registered", "revised", "unchanged", "replayed", "refused"]


class Row(Struct, frozen=True):
    """One row: the line it starts at, what it asks for, or why it cannot be read; `raw` is what was written there."""

    line: int
    raw: object
    size: int
    command: Upsert | None = None
    reason: str | None = None
    refusal: CockpitError | None = None


class Told(Struct, frozen=True):
    """What became of a row."""

    row: Row
    verdict: Kind
    status: int = 200
    entity_uid: UUID | None = None
    event_id: UUID | None = None
    position: int | None = None
    refusal: CockpitError | None = None


class Ingest:
    """Executes rows for one caller; with `names` a row that was executed before is not executed again."""

    def __init__(
        self,
        handler: Handler,
        *,
        metadata: Metadata,
        context: Context = Context(),  # noqa: B008  # frozen
        names: CommandIds | None = None,
        patience: float = PATIENCE_SECONDS,
    ) -> None:
        self._handler = handler
        self._metadata = metadata
        self._context = context
        self._names = names
        self._patience = patience
        self._away_since: float | None = None
        self._given_up: CockpitError | None = None
        self._last: dict[str, tuple[asyncio.Task[Told], set[str]]] = {}

    async def execute(self, chunks: AsyncIterable[Sequence[Row]]) -> AsyncGenerator[list[Told], None]:
        """Yield what became of the rows, in their order, a chunk at a time.

        A refused row stops no other. Where the database stays away, the rest is refused with Unavailable. Whoever
        stops taking stops the reading; what was submitted by then stands. Raises what reading the chunks raises.
        """
        queue: asyncio.Queue[list[asyncio.Task[Told] | Told] | None] = asyncio.Queue(1)
        begun: set[asyncio.Task[Told]] = set()
        failures: list[Exception] = []

        async def feed() -> None:
            try:
                async for chunk in chunks:
                    started = await self._start(chunk)
                    begun.update(item for item in started if isinstance(item, asyncio.Task))
                    await queue.put(started)
            except Exception as failure:  # noqa: BLE001  # it is raised below, once all is told that was read
                failures.append(failure)
            await queue.put(None)

        feeder = asyncio.create_task(feed(), name="ingest")
        try:
            while (started := await queue.get()) is not None:
                yield [await item if isinstance(item, asyncio.Task) else item for item in started]
                begun.difference_update(item for item in started if isinstance(item, asyncio.Task))
        finally:
            for task in (feeder, *begun):
                task.cancel()
            await asyncio.gather(feeder, *begun, return_exceptions=True)
        for failure in failures:
            raise failure

    async def _start(self, chunk: Sequence[Row]) -> list[asyncio.Task[Told] | Told]:
        """Begin to execute the rows of a chunk, but for those that cannot be read, and those executed before."""
        named = [(row, self._name(row)) for row in chunk]
        try:
            self._go_on()
            done = await self._find_executed([name for _, name in named if name])
            left = [row.command for row, name in named if row.command and not (name and _known(done, name))]
            await self._patiently(lambda: self._handler.load_ahead(left))
        except CockpitError as refusal:
            return [Told(row, "refused", refusal=row.refusal or refusal) for row in chunk]
        started: list[asyncio.Task[Told] | Told] = []
        for row, name in named:
            before = _known(done, name) if name else None
            if row.command is None:
                started.append(Told(row, "refused", refusal=row.refusal))
            elif before is not None:
                started.append(
                    Told(row, "replayed", before.status, before.entity_uid, before.event_id, before.position)
                )
            else:
                started.append(self._begin(row, row.command, name))
        return started

    def _name(self, row: Row) -> Name | None:
        return self._names.name(row.command, row.reason) if self._names and row.command else None

    async def _find_executed(self, names: Sequence[Name]) -> Mapping[UUID | bytes, Executed]:
        if not names:
            return {}
        command_ids, keys = [name.command_id for name in names], [name.key for name in names]
        return await self._patiently(lambda: self._handler.executed(command_ids, keys))

    def _begin(self, row: Row, command: Upsert, name: Name | None) -> asyncio.Task[Told]:
        """Execute a row after those before it that concern the same entity, or may turn out to."""
        targets = self._handler.streams_of(command)
        before = {self._last[target][0] for target in targets if target in self._last}
        targets |= {also for target in targets if target in self._last for also in self._last[target][1]}
        task = asyncio.create_task(self._execute(row, command, name, before))
        self._last |= dict.fromkeys(targets, (task, targets))

        def forget(task: asyncio.Task[Told]) -> None:
            for target in targets:
                if target in self._last and self._last[target][0] is task:
                    del self._last[target]

        task.add_done_callback(forget)
        return task

    async def _execute(self, row: Row, command: Upsert, name: Name | None, before: set[asyncio.Task[Told]]) -> Told:
        if before:
            await asyncio.wait(before)
        try:
            self._go_on()  # a row before it may not have been taken in: then it would be out of order
        except CockpitError as refusal:
            return Told(row, "refused", refusal=refusal)
        request = Request(
            metadata=self._metadata,
            context=Context(self._context.ip_address, self._context.user_agent, row.reason),
            receipt=Receipt(name.key, name.digest, 200, None) if name else None,
            command_id=name.command_id if name else ids.uuid7(),
            size=row.size * MEMORY_OF_A_BYTE,
        )
        try:
            outcome = await self._patiently(lambda: self._handler.upsert(command, request))
        except CockpitError as refusal:
            return Told(row, "refused", refusal=refusal)
        is_new = outcome.event_id is not None and outcome.event_id == outcome.state.registered_by
        kind: Kind = "unchanged" if outcome.event_id is None else "registered" if is_new else "revised"
        return Told(
            row,
            "replayed" if outcome.replayed else kind,
            201 if is_new else 200,
            outcome.state.entity_uid,
            outcome.event_id,
            outcome.position,
        )

    def _go_on(self) -> None:
        """Raise what was given up for, once it was: all that comes later is refused for it, and told so."""
        if self._given_up is not None:
            raise self._given_up

    async def _patiently(self, ask: Callable[[], Awaitable[Answer]]) -> Answer:
        """Return what `ask` does, asked again while the database is away or the queue full, up to the patience."""
        clock = asyncio.get_running_loop().time
        while True:
            try:
                answer = await ask()
            except (Unavailable, Contended) as error:
                self._away_since = self._away_since or clock()
                if clock() - self._away_since > self._patience:
                    self._given_up = error
                    raise
                await asyncio.sleep(PAUSE_SECONDS)
            except CockpitError:
                self._away_since = None
                raise
            else:
                self._away_since = None
                return answer


def _known(done: Mapping[UUID | bytes, Executed], name: Name) -> Executed | None:
    return done.get(name.command_id) or done.get(name.key)
