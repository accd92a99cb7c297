"""PURE: the difference of an entity between two points, as it goes out: every change with the event behind it."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Literal
from uuid import UUID

from msgspec import UNSET, Meta, Struct, UnsetType

from read_side.beliefs import Span, Value, absent
from read_side.steps import Points, Rectangle, Step, net, rectangles, steps

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

Mode = Literal["net", "changes", "knowledge"]
Instant = Annotated[datetime, Meta(tz=True)]


class Cause(Struct, frozen=True):
    """The event at a position: which, by whom, why, and when it was recorded."""

    event_id: UUID
    actor: str
    reason: str | None
    recorded_at: datetime


class Change(Struct, frozen=True):
    """A field's value before and after; a field that is absent is null, an entity that is absent false.

    The event is the one that made the new value, or ended the old one. In mode=knowledge a change has the stretch of
    valid time that it is about.
    """

    field: str
    before: Value
    after: Value
    change_timestamp: Instant
    change_type: Literal["added", "changed", "removed"]
    event_id: UUID
    actor: str
    reason: str | None
    valid_from: Instant | UnsetType = UNSET
    valid_to: Instant | UnsetType | None = UNSET


class EntityDiff(Struct, frozen=True):
    """What changed in one entity."""

    entity_uid: UUID
    changes: list[Change]


def difference(mode: Mode, spans: Iterable[Span], points: Points, causes: Mapping[int, Cause]) -> list[Change]:
    """Return what the mode asks for; `causes` has the event at every position that the spans name."""
    found: Sequence[Step | Rectangle]
    match mode:
        case "net":
            found = net(spans, points)
        case "changes":
            found = steps(spans, points)
        case "knowledge":
            found = rectangles(spans, points)
    return [_change(step, causes[step.position]) for step in found]


def _change(step: Step | Rectangle, cause: Cause) -> Change:
    nothing = absent(step.field)
    instant, valid_from, valid_to = (
        (None, step.valid_from, step.valid_to) if isinstance(step, Rectangle) else (step.instant, UNSET, UNSET)
    )
    return Change(
        field=step.field,
        before=step.before,
        after=step.after,
        change_timestamp=instant or cause.recorded_at,
        change_type="added" if step.before == nothing else "removed" if step.after == nothing else "changed",
        event_id=cause.event_id,
        actor=cause.actor,
        reason=cause.reason,
        valid_from=valid_from,
        valid_to=valid_to,
    )
