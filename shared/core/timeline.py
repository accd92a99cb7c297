"""The fold: how one event changes the rows of one entity. Both sides use this one; there is no other.

Existence, the name and the type together make one group of rows; each detail type makes one more. A group's value
changes at the event's `effective_at`, and only there: the open row is closed and another is opened. An event whose
value is the one that holds already moves no row and leaves its instant in `asserted_to`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, TypeVar, assert_never
from uuid import UUID

from msgspec import UNSET, Struct
from msgspec.structs import replace

from shared.core.errors import CannotFold, NotForward
from shared.core.events import EntityRegistered, EntityReopened, EntityRetired, EntityRevised, Recorded
from shared.core.hashdiff import detail_hash, entity_hash
from shared.core.rows import Closed, DetailVersion, EntityVersion, Opened, Reasserted

if TYPE_CHECKING:
    from shared.core.events import EntityEvent
    from shared.core.rows import Change

EXISTS, DISPLAY_NAME, ENTITY_TYPE, DETAILS = "exists", "display_name", "entity_type", "details."
"""The fields of an entity; a detail's is `details.` and its type."""

ROWS_PER_EVENT = 1 << 16
"""NOTE: a storage format: a row's id is the position of the event that made it times this, plus an ordinal."""

Value = str | bool | None
"""What a field holds: text, existence, or None where a detail is absent."""

_Row = TypeVar("_Row", EntityVersion, DetailVersion)


class Timeline(Struct, frozen=True, kw_only=True):
    """One entity as far as it has been folded: its open rows, and the values that go on underneath a retirement.

    `version` and the `last_…` are those of its last event, `change_points` counts what was asserted, `registered_at`
    is the start of its first existence. The `…_asserted_to` are the last instants asserted about existence, about
    name, type and existence together, and about each detail: an event is forward when it is later than those of what
    it touches.
    """

    entity_uid: UUID
    version: int = 0
    last_event_id: UUID | None = None
    last_position: int = 0
    last_recorded_at: datetime | None = None
    change_points: int = 0
    registered_at: datetime | None = None
    exists: bool = False
    display_name: str = ""
    entity_type: str = ""
    details: Mapping[str, str] = {}
    entity_row: EntityVersion | None = None
    detail_rows: Mapping[str, DetailVersion] = {}
    existence_asserted_to: datetime | None = None
    entity_asserted_to: datetime | None = None
    detail_asserted_to: Mapping[str, datetime] = {}

    @property
    def retired_at(self) -> datetime | None:
        """Since when the entity is retired; None while it exists, and before it ever did."""
        return None if self.exists else self.existence_asserted_to


def assertions(event: EntityEvent) -> dict[str, Value]:
    """Return what an event asserts, by field; a detail of None is absent from then on."""
    asserted: dict[str, Value] = {}
    match event:
        case EntityRegistered():
            asserted |= {EXISTS: True, DISPLAY_NAME: event.display_name, ENTITY_TYPE: event.entity_type}
        case EntityReopened():
            asserted[EXISTS] = True
        case EntityRetired():
            return {EXISTS: False}
        case EntityRevised():
            pass
        case _:
            assert_never(event)
    if not isinstance(event, EntityRegistered):
        if event.display_name is not UNSET:
            asserted[DISPLAY_NAME] = event.display_name
        if event.entity_type is not UNSET:
            asserted[ENTITY_TYPE] = event.entity_type
    return asserted | {DETAILS + code: value for code, value in event.details.items()}


def fold(timeline: Timeline, recorded: Recorded) -> tuple[Timeline, list[Change]]:
    """Return the entity after one more of its events, and what that changes in its rows.

    The changes come in the order entity, then details by type; of one group first the row that closes, then the row
    that opens. Raises CannotFold when the event cannot follow what was folded before, NotForward when its instant is
    not later than everything asserted about what it touches.
    """
    event = _check_follows(timeline, recorded)
    asserted = assertions(event)
    _check_forward(timeline, asserted, recorded)
    new = _assert_values(timeline, asserted, recorded)
    turn = _Turn(timeline.entity_uid, recorded)

    entity_row = timeline.entity_row
    if not asserted.keys().isdisjoint((EXISTS, DISPLAY_NAME, ENTITY_TYPE)):
        name, kind = new.display_name, new.entity_type
        digest = entity_hash(name, kind) if new.exists else None
        entity_row = turn(entity_row, digest, partial(EntityVersion, display_name=name, entity_type=kind))

    detail_rows = dict(timeline.detail_rows)
    touched = {field.removeprefix(DETAILS) for field in asserted if field.startswith(DETAILS)}
    if EXISTS in asserted:
        touched |= new.details.keys() | detail_rows.keys()
    for code in sorted(touched):
        value = new.details.get(code) if new.exists else None
        digest = None if value is None else detail_hash(code, value)
        make = partial(DetailVersion, detail_type=code, detail_value=str(value))
        row = turn(detail_rows.pop(code, None), digest, make)
        if row is not None:
            detail_rows[code] = row

    return replace(new, entity_row=entity_row, detail_rows=detail_rows), turn.changes


class _Turn:
    """Takes the groups that one event touches from what they were to what they are, and keeps what that changed."""

    def __init__(self, entity_uid: UUID, recorded: Recorded) -> None:
        self.entity_uid = entity_uid
        self.recorded = recorded
        self.changes: list[Change] = []
        self._ids = iter(range(recorded.position * ROWS_PER_EVENT, (recorded.position + 1) * ROWS_PER_EVENT))

    def __call__(self, row: _Row | None, digest: str | None, make: Callable[..., _Row]) -> _Row | None:
        """Return the group's open row from now on: the same, another made by `make`, or none (digest None)."""
        at, position, recorded_at = self.recorded.effective_at, self.recorded.position, self.recorded.recorded_at
        if digest == (row.hashdiff if row else None):
            if row is not None:
                row = replace(row, asserted_to=at)
                self.changes.append(Reasserted(row))
            return row
        if row is not None:
            self.changes.append(
                Closed(replace(row, valid_to=at, valid_to_known_position=position, updated_at=recorded_at))
            )
        if digest is None:
            return None
        opened = make(
            id=next(self._ids),
            entity_uid=self.entity_uid,
            hashdiff=digest,
            valid_from=at,
            asserted_to=at,
            recorded_from_position=position,
            created_at=recorded_at,
            updated_at=recorded_at,
            actor=self.recorded.metadata.actor,
        )
        self.changes.append(Opened(opened))
        return opened


def _check_follows(timeline: Timeline, recorded: Recorded) -> EntityEvent:
    """Return the event where it can come next, raise CannotFold where it cannot."""
    event, position = recorded.event, recorded.position
    if not isinstance(event, EntityRegistered | EntityRevised | EntityRetired | EntityReopened):
        raise CannotFold(position, f"{type(event).__name__} is no event of an entity")
    if recorded.version != timeline.version + 1:
        raise CannotFold(position, f"version {recorded.version} follows version {timeline.version}")
    if isinstance(event, EntityRegistered) != (timeline.version == 0):
        raise CannotFold(position, "an entity is registered once, by its first event")
    if recorded.effective_until is not None:
        raise CannotFold(position, "bounded assertions are not known here")
    return event


def _assert_values(timeline: Timeline, asserted: Mapping[str, Value], recorded: Recorded) -> Timeline:
    """Return the timeline with the asserted values and instants, its rows still those of before."""
    at = recorded.effective_at
    details, detail_asserted_to = dict(timeline.details), dict(timeline.detail_asserted_to)
    exists, existence_asserted_to = timeline.exists, timeline.existence_asserted_to
    display_name, entity_type, entity_asserted_to = (
        timeline.display_name,
        timeline.entity_type,
        timeline.entity_asserted_to,
    )
    for field, value in asserted.items():
        if field.startswith(DETAILS):
            code = field.removeprefix(DETAILS)
            detail_asserted_to[code] = at
            if value is None:
                details.pop(code, None)
            else:
                details[code] = str(value)
            continue
        entity_asserted_to = at
        if field == EXISTS:
            exists, existence_asserted_to = bool(value), at
        elif field == DISPLAY_NAME:
            display_name = str(value)
        elif field == ENTITY_TYPE:
            entity_type = str(value)
    return replace(
        timeline,
        version=recorded.version,
        last_event_id=recorded.event_id,
        last_position=recorded.position,
        last_recorded_at=recorded.recorded_at,
        change_points=timeline.change_points + len(asserted),
        registered_at=timeline.registered_at or at,
        exists=exists,
        display_name=display_name,
        entity_type=entity_type,
        details=details,
        existence_asserted_to=existence_asserted_to,
        entity_asserted_to=entity_asserted_to,
        detail_asserted_to=detail_asserted_to,
    )


def _check_forward(timeline: Timeline, asserted: Mapping[str, Value], recorded: Recorded) -> None:
    """Raise NotForward when a group that the event touches has something asserted at or after its instant."""
    bounds: list[tuple[str, datetime | None]] = [(EXISTS, timeline.existence_asserted_to)]
    if not asserted.keys().isdisjoint((EXISTS, DISPLAY_NAME, ENTITY_TYPE)):
        bounds.append((DISPLAY_NAME, timeline.entity_asserted_to))
    if EXISTS in asserted:
        bounds += [(DETAILS + code, bound) for code, bound in timeline.detail_asserted_to.items()]
    else:
        codes = (field.removeprefix(DETAILS) for field in asserted if field.startswith(DETAILS))
        bounds += [(DETAILS + code, timeline.detail_asserted_to.get(code)) for code in codes]
    for field, bound in bounds:
        if bound is not None and recorded.effective_at <= bound:
            raise NotForward(recorded.position, f"{field} is asserted up to {bound.isoformat()}")
