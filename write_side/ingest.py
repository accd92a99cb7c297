"""Rows of a file, lines of a batch: many at a time, those that concern one entity in their order, told in order."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Literal, TypeVar
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace

from shared.core.errors import CockpitError, Contended, Unavailable
from shared.core.events import Context, Metadata
from write_side import ids
from write_side.appends import Receipt
from write_side.command_ids import CommandIds, Name
from write_side.handler import Request, Upserted
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


Begun = tuple[int, Row, Upsert, Request]
"""A row to be executed: its place in its chunk, and with what it is executed."""


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
        self._last: dict[str, tuple[asyncio.Task[list[Told]], set[str]]] = {}

    async def execute(self, chunks: AsyncIterable[Sequence[Row]]) -> AsyncGenerator[list[Told], None]:
        """Yield what became of the rows, in their order, a chunk at a time.

        A refused row stops no other. Where the database stays away, the rest is refused with Unavailable. Whoever
        stops taking stops the reading; what was submitted by then stands. Raises what reading the chunks raises.
        """
        queue: asyncio.Queue[asyncio.Task[list[Told]] | None] = asyncio.Queue(1)
        begun: set[asyncio.Task[list[Told]]] = set()
        failures: list[Exception] = []

        async def feed() -> None:
            try:
                async for rows in chunks:
                    started = await self._start(rows)
                    begun.add(started)
                    await queue.put(started)
            except Exception as failure:  # noqa: BLE001  # it is raised below, once all is told that was read
                failures.append(failure)
            await queue.put(None)

        feeder = asyncio.create_task(feed(), name="ingest")
        try:
            while (chunk := await queue.get()) is not None:
                yield await chunk
                begun.discard(chunk)
        finally:
            for task in (feeder, *begun):
                task.cancel()
            await asyncio.gather(feeder, *begun, return_exceptions=True)
        for failure in failures:
            raise failure

    async def _start(self, chunk: Sequence[Row]) -> asyncio.Task[list[Told]]:
        """Begin to execute the rows of a chunk, but for those that cannot be read, and those executed before."""
        named = list(zip(chunk, self._name(chunk), strict=True))
        told: dict[int, Told] = {}
        waves: list[list[Begun]] = []
        before: set[asyncio.Task[list[Told]]] = set()
        done: Mapping[UUID | bytes, Executed] = {}
        try:
            self._go_on()
            done = await self._find_executed([name for _, name in named if name])
            left = [row.command for row, name in named if row.command and not (name and _known(done, name))]
            await self._patiently(lambda: self._handler.load_ahead(left))
        except CockpitError as refusal:
            told = {n: Told(row, "refused", refusal=row.refusal or refusal) for n, row in enumerate(chunk)}
            named = []
        places: dict[str, tuple[int, set[str]]] = {}
        for n, (row, name) in enumerate(named):
            executed = _known(done, name) if name else None
            if row.command is None:
                told[n] = Told(row, "refused", refusal=row.refusal)
            elif executed is not None:
                told[n] = Told(
                    row, "replayed", executed.status, executed.entity_uid, executed.event_id, executed.position
                )
            else:
                wave = self._place(row.command, places, before)
                if wave == len(waves):
                    waves.append([])
                waves[wave].append((n, row, row.command, self._request(row, name)))
        task = asyncio.create_task(self._execute(told, waves, before))
        self._last |= {target: (task, targets) for target, (_, targets) in places.items()}

        def forget(task: asyncio.Task[list[Told]]) -> None:
            for target in places:
                if target in self._last and self._last[target][0] is task:
                    del self._last[target]

        task.add_done_callback(forget)
        return task

    def _place(
        self,
        command: Upsert,
        places: dict[str, tuple[int, set[str]]],
        before: set[asyncio.Task[list[Told]]],
    ) -> int:
        """Return the wave of a row: it comes after those that concern the same entity, or may turn out to.

        Rows of one wave have no entity in common. What chunks before this one are at is added to `before`.
        """
        targets = self._handler.streams_of(command)
        wave = 0
        for target in list(targets):
            if target in self._last:
                task, also = self._last[target]
                before.add(task)
                targets |= also
            if target in places:
                place, also = places[target]
                wave = max(wave, place + 1)
                targets |= also
        for target in targets:
            places[target] = (max(wave, places[target][0] if target in places else 0), targets)
        return wave

    def _name(self, chunk: Sequence[Row]) -> list[Name | None]:
        """Return the names of rows; one that cannot be read has none."""
        if self._names is None:
            return [None] * len(chunk)
        names = iter(self._names.names([(row.command, row.reason) for row in chunk if row.command]))
        return [next(names) if row.command else None for row in chunk]

    async def _find_executed(self, names: Sequence[Name]) -> Mapping[UUID | bytes, Executed]:
        if not names:
            return {}
        command_ids, keys = [name.command_id for name in names], [name.key for name in names]
        return await self._patiently(lambda: self._handler.executed(command_ids, keys))

    def _request(self, row: Row, name: Name | None) -> Request:
        return Request(
            metadata=self._metadata,
            context=self._context if row.reason is None else replace(self._context, reason=row.reason),
            receipt=Receipt(name.key, name.digest, 200, None) if name else None,
            command_id=name.command_id if name else ids.uuid7(),
            size=row.size * MEMORY_OF_A_BYTE,
        )

    async def _execute(
        self, told: dict[int, Told], waves: Sequence[Sequence[Begun]], before: set[asyncio.Task[list[Told]]]
    ) -> list[Told]:
        """Execute the rows of a chunk wave by wave, and return what became of all of it, in its order."""
        if before:
            await asyncio.wait(before)
        for wave in waves:
            told |= await self._together(wave) if len(wave) > 1 else {}
            left = [begun for begun in wave if begun[0] not in told]
            told |= zip([n for n, *_ in left], await asyncio.gather(*(self._alone(*one) for one in left)), strict=True)
        return [told[n] for n in sorted(told)]

    async def _together(self, wave: Sequence[Begun]) -> dict[int, Told]:
        """Execute the rows of a wave in one go, and return what became of those that came to something."""
        told: dict[int, Told] = {}
        with suppress(Unavailable):  # each row is as patient as it would be alone
            self._go_on()
            answers = await self._handler.upsert_together([(command, request) for _, _, command, request in wave])
            for (n, row, *_), answer in zip(wave, answers, strict=True):
                if isinstance(answer, CockpitError):
                    if not isinstance(answer, Unavailable):
                        told[n] = Told(row, "refused", refusal=answer)
                elif answer is not None:
                    told[n] = _told(row, answer)
        return told

    async def _alone(self, _: int, row: Row, command: Upsert, request: Request) -> Told:
        try:
            self._go_on()  # a row before it may not have been taken in: then it would be out of order
            outcome = await self._patiently(lambda: self._handler.upsert(command, request))
        except CockpitError as refusal:
            return Told(row, "refused", refusal=refusal)
        is_new = outcome.event_id is not None and outcome.event_id == outcome.state.registered_by
        uid, position = outcome.state.entity_uid, outcome.position
        return _told(row, Upserted(uid, outcome.event_id, position, is_new, outcome.replayed))

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


def _told(row: Row, answer: Upserted) -> Told:
    kind: Kind = "unchanged" if answer.event_id is None else "registered" if answer.is_new else "revised"
    return Told(
        row,
        "replayed" if answer.replayed else kind,
        201 if answer.is_new else 200,
        answer.entity_uid,
        answer.event_id,
        answer.position,
    )


def _known(done: Mapping[UUID | bytes, Executed], name: Name) -> Executed | None:
    return done.get(name.command_id) or done.get(name.key)
