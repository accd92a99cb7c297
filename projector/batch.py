"""One batch: read events, fold them, write rows and checkpoint in one transaction behind the fence."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any
from uuid import UUID

from msgspec import Struct

from db.queries import statement
from projector import states
from projector.rows import Writes
from shared.core.codec import decode
from shared.core.errors import CannotFold
from shared.core.events import Recorded, RegistryEvent, uid_of
from shared.core.timeline import Timeline, fold

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from db.pool import Connection
    from shared.core.rows import Change

POSITION, STREAM, RECORDED_AT = 0, 2, 8
"""Where these stand in a row of projector/read_events."""

BEHIND = "an earlier event of its stream is parked"


class Fenced(Exception):
    """Another projector has moved the checkpoint, or this set of tables is retired."""


class Batch(Struct, frozen=True):
    """What a batch did: the checkpoint it reached, how many events it folded, how many of them it set aside."""

    position: int
    events: int
    parked: int


class Projection:
    """The read model as one projector leads it: the checkpoint it must find, and the streams that are parked."""

    def __init__(self, connection: Connection, position: int, parked_streams: set[str]) -> None:
        self._connection = connection
        self.position = position
        self._parked_streams = parked_streams

    @classmethod
    async def open(cls, connection: Connection) -> Projection:
        """Begin where the read model stands. Raises Fenced when it is retired."""
        cursor = await connection.execute(statement("projector/read_checkpoint"))
        row = await cursor.fetchone()
        if row is None:
            raise Fenced
        cursor = await connection.execute(statement("projector/read_parked_streams"))
        return cls(connection, row[0], {stream for (stream,) in await cursor.fetchall()})

    async def advance(self, limit: int) -> Batch | None:
        """Fold up to `limit` more events; None when there are none. Raises Fenced, and leaves nothing half done."""
        cursor = self._connection.cursor(binary=True)
        await cursor.execute(statement("projector/read_events"), {"after": self.position, "limit": limit}, prepare=True)
        rows = await cursor.fetchall()
        if not rows:
            return None
        writes = await self._fold(rows)
        last = rows[-1]
        await self._write(writes, last[POSITION], last[RECORDED_AT])
        self.position = last[POSITION]
        self._parked_streams = writes.parked_streams
        return Batch(self.position, len(rows), len(writes.parked))

    async def _fold(self, rows: Sequence[tuple[Any, ...]]) -> Writes:
        writes = Writes(self._parked_streams)
        events = _by_entity(rows, writes)
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
        return writes

    async def _write(self, writes: Writes, position: int, recorded_at: datetime) -> None:
        parameters = {"position": position, "expected": self.position, "recorded_at": recorded_at}
        async with self._connection.transaction():
            fence = await self._connection.execute(statement("projector/move_checkpoint"), parameters, prepare=True)
            if fence.rowcount != 1:
                raise Fenced
            async with self._connection.pipeline():
                await writes.apply(self._connection)
                await self._connection.execute(
                    statement("projector/notify_projected"), {"position": position}, prepare=True
                )


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


def _by_entity(rows: Sequence[tuple[Any, ...]], writes: Writes) -> dict[UUID, list[Recorded]]:
    """Return the events of each entity; those of the registry, and those to be parked, go to `writes`."""
    events: defaultdict[UUID, list[Recorded]] = defaultdict(list)
    for row in rows:
        position, stream = row[POSITION], row[STREAM]
        if stream in writes.parked_streams:
            writes.park(position, stream, BEHIND)
            continue
        try:
            recorded, uid = decode(*row), uid_of(stream)
        except (CannotFold, ValueError) as error:  # the second: an entity's stream without its uuid
            writes.park(position, stream, str(error))
            continue
        if uid is not None:
            events[uid].append(recorded)
        elif isinstance(recorded.event, RegistryEvent):
            writes.registry.append(recorded.event)
        else:
            writes.park(position, stream, f"{type(recorded.event).__name__} does not belong in this stream")
    return events


def _steps(timeline: Timeline, events: Sequence[Recorded]) -> Iterator[tuple[Recorded, Timeline, list[Change]]]:
    """Yield what each event of one entity leads to. Raises CannotFold at the first that cannot be folded."""
    for recorded in events:
        timeline, changes = fold(timeline, recorded)
        yield recorded, timeline, changes
