"""The fold: how one event changes what is known of one entity. Both sides use this one; there is no other."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from datetime import datetime
from sys import getsizeof
from typing import TYPE_CHECKING
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace

from shared.core.assertions import EXISTS, Assertion, assertions, instants
from shared.core.errors import CannotFold, NotForward
from shared.core.events import EntityEvent, EntityRegistered, EventCancelled, EventSkipped, Recorded
from shared.core.rows import Row
from shared.core.segments import ENTITY, Fields, columns
from shared.core.turn import Rows, Turn

if TYPE_CHECKING:
    from shared.core.events import Event
    from shared.core.rows import Change


NO_DETAILS = frozenset((*columns(ENTITY), ENTITY))
"""The fields, and the group, that are of the entity itself."""


ENTITY_BYTES, ASSERTION_BYTES, ROW_BYTES = 1000, 180, 480
"""About what an entity takes in memory besides its assertions and rows, and what one of these does without its text."""


class Timeline(Struct, frozen=True, kw_only=True, gc=False):
    """One entity as far as it has been folded.

    `fields` is None where only the open rows are at hand, which suffice for a revision later than all that they say.
    `rows` are those known now, by group, in the order of valid time. `change_points` counts the instants that were
    asserted, `schedule` lists those that were still to come when the last event was recorded. `registered_at` is the
    start of its first existence, None where it has none. `size` is about how many bytes it takes in memory.
    """

    entity_uid: UUID
    version: int = 0
    last_event_id: UUID | None = None
    last_position: int = 0
    last_recorded_at: datetime | None = None
    registered_by: UUID | None = None
    registered_at: datetime | None = None
    change_points: int = 0
    schedule: tuple[datetime, ...] = ()
    cancelled: frozenset[UUID] = frozenset()
    fields: Fields | None = {}
    rows: Mapping[str, Rows] = {}
    size: int = ENTITY_BYTES

    def due(self, now: datetime) -> int:
        """Return how many change points have come by now: with the last event, what an ETag is made of."""
        return self.change_points - sum(instant > now for instant in self.schedule)

    def row_at(self, group: str, instant: datetime) -> Row | None:
        """Return the row of a group that is valid at an instant, as it is known now."""
        rows = self.rows.get(group, ())
        place = bisect_right(rows, instant, key=lambda row: row.valid_from)
        row = rows[place - 1] if place else None
        return row if row is not None and row.covers(instant) else None

    def rows_at(self, instant: datetime) -> list[Row]:
        """Return the rows that are valid at an instant: none where the entity does not exist then."""
        return [row for group in self.rows if (row := self.row_at(group, instant)) is not None]


def fold(timeline: Timeline, recorded: Recorded) -> tuple[Timeline, list[Change]]:
    """Return the entity after one more of its events, and what that changes in its rows.

    The changes come in the order entity, then details by type; of one group first what ends, then what opens. Raises
    CannotFold when the event cannot follow what was folded before, NotForward when the open rows alone do not tell
    what it changes.
    """
    asserted = _asserted(timeline, recorded)
    rows = dict(timeline.rows)
    noted = _noted(timeline, recorded, asserted, rows)
    turn = Turn(timeline.entity_uid, recorded, asserted, noted.fields)
    more = 0
    for group in _touched(timeline, recorded.event, asserted):
        known = rows.get(group, ())
        rows[group] = turn(group, known)
        more += len(rows[group]) - len(known)
    return replace(noted, size=noted.size + ROW_BYTES * more), turn.changes


def recall(entity_uid: UUID, events: Iterable[Recorded], rows: Mapping[str, Rows]) -> Timeline:
    """Return an entity from its events and the rows that these are known to have led to. Raises CannotFold."""
    timeline = Timeline(entity_uid=entity_uid)
    for recorded in events:
        timeline = note(timeline, recorded)
    return replace(timeline, rows=rows, size=timeline.size + ROW_BYTES * sum(map(len, rows.values())))


def note(timeline: Timeline, recorded: Recorded) -> Timeline:
    """Return what is known of the entity after one more event, its rows still those of before. Raises CannotFold."""
    return _noted(timeline, recorded, _asserted(timeline, recorded), timeline.rows)


def _noted(
    timeline: Timeline, recorded: Recorded, asserted: Mapping[str, Assertion], rows: Mapping[str, Rows]
) -> Timeline:
    fields, cancelled = timeline.fields, timeline.cancelled
    registered_at, change_points = timeline.registered_at, timeline.change_points
    to_come: Iterable[datetime] = timeline.schedule
    if isinstance(recorded.event, EventCancelled):
        if fields is None:
            raise NotForward(recorded.position, "what is cancelled is not at hand")
        fields = _without(fields, recorded.event.event_id)
        cancelled |= {recorded.event.event_id}
        to_come = [instant for field in fields.values() for a in field for instant in a.instants]
        change_points = len(to_come)
        registered_at = min((a.effective_at for a in fields.get(EXISTS, ()) if a.value is True), default=None)
    else:
        if fields is not None:
            fields = {**fields, **{f: (*fields[f], said) if f in fields else (said,) for f, said in asserted.items()}}
        new = instants(recorded.effective_at, recorded.effective_until)
        ahead = [instant for instant in new if instant > recorded.recorded_at]
        to_come = (*to_come, *ahead * len(asserted))
        change_points += len(new) * len(asserted)
        if EXISTS in asserted and asserted[EXISTS].value is True:
            registered_at = min(registered_at or recorded.effective_at, recorded.effective_at)
    return Timeline(
        entity_uid=timeline.entity_uid,
        version=recorded.version,
        last_event_id=recorded.event_id,
        last_position=recorded.position,
        last_recorded_at=recorded.recorded_at,
        registered_by=timeline.registered_by or recorded.event_id,
        registered_at=registered_at,
        change_points=change_points,
        schedule=tuple(sorted([instant for instant in to_come if instant > recorded.recorded_at])),
        cancelled=cancelled,
        fields=fields,
        rows=rows,
        size=timeline.size + sum([ASSERTION_BYTES + getsizeof(said.value) for said in asserted.values()]),
    )


def stands(fields: Fields, event_id: UUID) -> bool:
    """Say whether anything that an event asserted is still there."""
    return bool(_spoken_of(fields, event_id))


def _spoken_of(fields: Fields, event_id: UUID) -> set[str]:
    """Return the fields of which something stands that an event asserted."""
    return {field for field, said in fields.items() if any(a.event_id == event_id for a in said)}


def _asserted(timeline: Timeline, recorded: Recorded) -> dict[str, Assertion]:
    """Return what the event asserts, by field; nothing where it cancels. Raises CannotFold where it cannot be next."""
    at, until = recorded.effective_at, recorded.effective_until
    position, event_id = recorded.position, recorded.event_id
    said = assertions(_following(timeline, recorded))
    return {field: Assertion(value, at, until, position, event_id) for field, value in said.items()}


def _without(fields: Fields, event_id: UUID) -> Fields:
    return {field: tuple(a for a in said if a.event_id != event_id) for field, said in fields.items()}


def _touched(timeline: Timeline, event: Event, asserted: Mapping[str, Assertion]) -> list[str]:
    """Return the groups that an event speaks of, or one that it cancels did: entity first, then details by type."""
    fields = timeline.fields or {}
    spoken_of = _spoken_of(fields, event.event_id) if isinstance(event, EventCancelled) else asserted.keys()
    details = spoken_of - NO_DETAILS
    if EXISTS in spoken_of:
        details |= {*fields, *timeline.rows} - NO_DETAILS
    return sorted(details) if spoken_of.isdisjoint(NO_DETAILS) else [ENTITY, *sorted(details)]


def _following(timeline: Timeline, recorded: Recorded) -> EntityEvent:
    """Return the event that comes next. Raises CannotFold where it cannot."""
    event, position = recorded.event, recorded.position
    if not isinstance(event, EntityEvent):
        raise CannotFold(position, f"{type(event).__name__} is no event of an entity")
    if recorded.version != timeline.version + 1:
        raise CannotFold(position, f"version {recorded.version} follows version {timeline.version}")
    if isinstance(event, EventSkipped):  # or what it names, which stands for one: nothing hangs on it
        return event
    if isinstance(event, EntityRegistered) != (timeline.version == 0):
        raise CannotFold(position, "an entity is registered once, by its first event")
    if (
        isinstance(event, EventCancelled)
        and timeline.fields is not None
        and not stands(timeline.fields, event.event_id)
    ):
        raise CannotFold(position, f"it cancels {event.event_id}, of which nothing stands")
    return event
