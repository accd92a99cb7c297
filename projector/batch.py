"""One batch: read events, fold them, write rows and checkpoint in one transaction behind the fence."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any
from uuid import UUID

from msgspec import Struct

from db.queries import statement
from projector import states
from projector.clock import Outlook, flip_current, look_ahead, settled
from projector.replay import BEHIND, fold_stream, take_in
from projector.rows import Writes
from shared.core.codec import POSITION, RECORDED_AT, STREAM, LogRow, decode, is_skipping
from shared.core.errors import CannotFold
from shared.core.events import Recorded, uid_of
from shared.core.timeline import Timeline, fold

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from db.pool import Connection
    from shared.core.rows import Change


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
        due_at: datetime | None,
    ) -> None:
        self._connection = connection
        self.position = position
        self._clock_at = clock_at
        self._generation = generation
        self._parked_streams = parked_streams
        self._due_at = due_at

    @classmethod
    async def open(cls, connection: Connection) -> Projection:
        """Begin where the read model stands. Raises Fenced when it is retired."""
        cursor = await connection.execute(statement("projector/read_checkpoint"))
        row = await cursor.fetchone()
        if row is None:
            raise Fenced
        cursor = await connection.execute(statement("projector/read_parked_streams"))
        parked_streams = {stream for (stream,) in await cursor.fetchall()}
        position, clock_at, generation = row
        due_at = (await look_ahead(connection)).due_at
        return cls(connection, position, clock_at, generation, parked_streams, due_at)

    async def advance(self, limit: int) -> Batch | None:
        """Fold up to `limit` more events; None when there are none. Raises Fenced, and leaves nothing half done."""
        cursor = self._connection.cursor(binary=True)
        await cursor.execute(statement("projector/read_events"), {"after": self.position, "limit": limit}, prepare=True)
        rows = await cursor.fetchall()
        if not rows:
            return None
        writes = await self._fold(rows)
        last = rows[-1]
        flipped = await self._write(writes, last[POSITION], last[RECORDED_AT])
        self.position = last[POSITION]
        self._parked_streams = writes.parked_streams
        return Batch(self.position, len(rows), len(writes.parked), flipped)

    async def look_ahead(self) -> Outlook:
        """Return what is to come; due_at, which a batch goes by, may have been too early since rows were superseded."""
        outlook = await look_ahead(self._connection)
        self._due_at = outlook.due_at
        return outlook

    async def fall_due(self) -> int:
        """Let what fell due become current, and return how many rows changed. Raises Fenced."""
        async with self._connection.transaction():
            clock = await self._pass_fence("projector/move_clock", {})
            flipped = await flip_current(self._connection, self._clock_at, clock)
            await self._notify(self.position)
        self._clock_at = clock
        return flipped

    async def settle(self) -> bool:
        """Write down up to when all that was recorded is projected; False where nobody can say. Raises Fenced."""
        settled_at = await settled(self._connection, self.position)
        if settled_at is None:
            return False
        async with self._connection.transaction():
            await self._pass_fence("projector/move_settled", {"settled_at": settled_at})
            await self._notify(self.position)
        return True

    async def _fold(self, rows: Sequence[LogRow]) -> Writes:
        writes = Writes(self._parked_streams)
        anew = {row[STREAM] for row in rows if is_skipping(row) and uid_of(row[STREAM]) is not None}
        events = _by_entity([row for row in rows if row[STREAM] not in anew], writes)
        known = await states.from_rows(self._connection, events)
        unsure = [uid for uid in events if uid not in known]
        for uid, timeline in known.items():
            try:
                steps = list(_steps(timeline, events[uid]))
            except CannotFold:  # by what the open rows say; the log knows more, and says which event it is
                unsure.append(uid)
            else:
                for step in steps:
                    writes.add(*step)
        if unsure:
            known, failed = await states.from_log(self._connection, unsure, self.position)
            for uid in unsure:
                _fold_or_park(known[uid], failed.get(uid), events[uid], writes)
        for stream in sorted(anew):
            cursor = self._connection.cursor(binary=True)
            parameters = {"streams": [stream], "up_to": rows[-1][POSITION]}
            await cursor.execute(statement("projector/read_streams"), parameters, prepare=True)
            writes.forget(stream)
            fold_stream(stream, await cursor.fetchall(), writes)
        return writes

    async def _write(self, writes: Writes, position: int, recorded_at: datetime) -> int:
        flipped = 0
        async with self._connection.transaction():
            moved = {"position": position, "recorded_at": recorded_at}
            clock = await self._pass_fence("projector/move_checkpoint", moved)
            due_at = self._due_at
            if due_at is not None and due_at <= clock:
                flipped = await flip_current(self._connection, self._clock_at, clock)
                due_at = (await look_ahead(self._connection)).due_at
            async with self._connection.pipeline():
                await writes.apply(self._connection, clock)
                await self._notify(position)
        self._clock_at = clock
        self._due_at = min((i for i in (due_at, *writes.instants()) if i is not None and i > clock), default=None)
        return flipped

    async def _pass_fence(self, name: str, parameters: dict[str, Any]) -> datetime:
        """Run the first statement of a transaction, and return the clock it goes by. Raises Fenced."""
        expected = {"expected": self.position, "generation": self._generation}
        fence = await self._connection.execute(statement(name), {**expected, **parameters}, prepare=True)
        row: tuple[datetime] | None = await fence.fetchone()
        if row is None:
            raise Fenced
        return row[0]

    async def _notify(self, position: int) -> None:
        await self._connection.execute(statement("projector/notify_projected"), {"position": position}, prepare=True)


def _fold_or_park(timeline: Timeline, failure: CannotFold | None, events: Sequence[Recorded], writes: Writes) -> None:
    """Fold what can be folded of an entity's events; park the first that cannot, and all behind it.

    With a `failure` the entity's earlier events cannot be folded any more (by a release that does not know them).
    """
    folded = 0
    try:
        if failure is not None:
            raise failure
        for step in _steps(timeline, events):
            writes.add(*step)
            folded += 1
    except CannotFold as error:
        reason = str(error)
        for recorded in events[folded:]:
            writes.park(recorded.position, recorded.stream, reason)
            reason = BEHIND


def _by_entity(rows: Sequence[LogRow], writes: Writes) -> dict[UUID, list[Recorded]]:
    """Return the events of each entity; those of no entity, and those to be parked, go to `writes`."""
    events: defaultdict[UUID, list[Recorded]] = defaultdict(list)
    for row in rows:
        position, stream = row[POSITION], row[STREAM]
        uid = uid_of(stream)
        try:
            if stream in writes.parked_streams:
                writes.park(position, stream, BEHIND)
                continue
            recorded = decode(*row)
            if uid is None:
                take_in(recorded, writes)
            else:
                events[uid].append(recorded)
        except CannotFold as error:
            writes.park(position, stream, str(error))
    return events


def _steps(timeline: Timeline, events: Sequence[Recorded]) -> Iterator[tuple[Recorded, Timeline, list[Change]]]:
    """Yield what each event of one entity leads to. Raises CannotFold at the first that cannot be folded."""
    for recorded in events:
        timeline, changes = fold(timeline, recorded)
        yield recorded, timeline, changes
