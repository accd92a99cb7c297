"""A batch between its read and its write: what is known of its entities, and what its events change of them.

It takes steps, so that all of it but the asking can be done while the batch before is being written: `know` has the
questions of the fold and `hear` takes the answers, `fold` is pure, and `finish` goes through the log for what could not
be told before.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING
from uuid import UUID

from db.queries import statement
from projector.replay import BEHIND, fold_stream, take_in
from projector.rows import Writes
from projector.states import Known, from_log
from shared.core.codec import POSITION, RECORDED_AT, STREAM, LogRow, decode, is_skipping
from shared.core.errors import CannotFold
from shared.core.events import Recorded, uid_of
from shared.core.timeline import Timeline, fold

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator, Sequence
    from datetime import datetime

    from db.pool import Connection
    from projector.rows import Statement
    from projector.states import Memory
    from shared.core.rows import Change


class Folding:
    """The events of a batch, and what they lead to as far as they are folded."""

    def __init__(self, rows: Sequence[LogRow], parked_streams: Iterable[str]) -> None:
        self.writes = Writes(parked_streams)
        self._last = rows[-1]
        self.events = len(rows)
        self._anew = {row[STREAM] for row in rows if is_skipping(row) and uid_of(row[STREAM]) is not None}
        self._of_entities = _by_entity([row for row in rows if row[STREAM] not in self._anew], self.writes)
        self._asked: Known | None = None
        self._known: dict[UUID, Timeline] = {}
        self._unsure: list[UUID] | None = None
        self.statements: list[Statement] = []
        self.to_come: list[datetime] = []

    @property
    def position(self) -> int:
        """The position of the last event."""
        return int(self._last[POSITION])

    @property
    def recorded_at(self) -> datetime:
        """When the last event was recorded."""
        instant: datetime = self._last[RECORDED_AT]
        return instant

    @property
    def is_plain(self) -> bool:
        """Whether nothing was parked or begun anew, so that others may build on it before it is written."""
        return not (self.writes.parked or self.writes.forgotten)

    def know(self, memory: Memory, unwritten: Container[UUID]) -> Known:
        """Return what is known of the entities, to be asked; of `unwritten` ones the tables do not know all yet."""
        self._asked = Known(self._of_entities, memory, unwritten)
        return self._asked

    def hear(self) -> None:
        """Take what the question was answered."""
        if self._asked is not None:
            self._known = self._asked.hear()

    def fold(self) -> None:
        """Fold what can be folded by what is known, and get ready what is to be written, unless something is left.

        PURE: it may run in a thread of its own.
        """
        self._unsure = [uid for uid in self._of_entities if uid not in self._known]
        for uid, timeline in self._known.items():
            try:
                steps = list(_steps(timeline, self._of_entities[uid]))
            except CannotFold:  # by what is known; the log knows more, and says which event it is
                self._unsure.append(uid)
            else:
                for step in steps:
                    self.writes.add(*step)
        if not self._unsure and not self._anew:
            self._get_ready()

    def _get_ready(self) -> None:
        self.statements = self.writes.statements()
        self.to_come = [instant for instant in self.writes.instants() if instant > self.recorded_at]

    async def finish(self, connection: Connection, up_to: int) -> Writes:
        """Fold what is left, by the log up to a position that has been written, and return what is to be written."""
        if self._unsure is None:
            self.fold()
        if not self._unsure and not self._anew:
            return self.writes
        if self._unsure:
            known, failed = await from_log(connection, self._unsure, up_to)
            for uid in self._unsure:
                _fold_or_park(known[uid], failed.get(uid), self._of_entities[uid], self.writes)
        for stream in sorted(self._anew):
            cursor = connection.cursor(binary=True)
            parameters = {"streams": [stream], "up_to": self.position}
            await cursor.execute(statement("projector/read_streams"), parameters, prepare=True)
            self.writes.forget(stream)
            fold_stream(stream, await cursor.fetchall(), self.writes)
        self._get_ready()
        return self.writes


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
