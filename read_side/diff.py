"""PURE: what changed in an entity between two instants of valid time, from its rows that meet the window between them.

A field's value begins and ends where its rows do. Every instant in (start, end] at which it becomes another one is a
step; the net difference of a field is its first step's before against its last step's after.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Literal
from uuid import UUID

from msgspec import Meta, Struct

from shared.core.assertions import DETAILS, DISPLAY_NAME, ENTITY_TYPE, EXISTS

if TYPE_CHECKING:
    from collections.abc import Iterable

Mode = Literal["net", "changes"]
Value = str | bool | None


class Span(Struct, frozen=True):
    """One value of one field on [valid_from, valid_to), open while valid_to is None; spans of a field never overlap."""

    field: str
    value: Value
    valid_from: datetime
    valid_to: datetime | None


class Step(Struct, frozen=True):
    """A field's value before and after an instant; a field that is absent is null, an entity that is absent false."""

    field: str
    before: Value
    after: Value
    change_timestamp: Annotated[datetime, Meta(tz=True)]


def spans_of_entity(
    display_name: str, entity_type: str, valid_from: datetime, valid_to: datetime | None
) -> tuple[Span, ...]:
    """Return what one row of `entity_version` says: that the entity exists, its name and its type."""
    return (
        Span(EXISTS, True, valid_from, valid_to),
        Span(DISPLAY_NAME, display_name, valid_from, valid_to),
        Span(ENTITY_TYPE, entity_type, valid_from, valid_to),
    )


def span_of_detail(detail_type: str, detail_value: str, valid_from: datetime, valid_to: datetime | None) -> Span:
    """Return what one row of `entity_detail_version` says."""
    return Span(DETAILS + detail_type, detail_value, valid_from, valid_to)


def steps(spans: Iterable[Span], start: datetime, end: datetime) -> list[Step]:
    """Return every change of any field at an instant in (start, end], by instant, then in the order of fields."""
    moments: defaultdict[tuple[datetime, str], dict[str, Value]] = defaultdict(dict)
    for span in spans:
        if start < span.valid_from <= end:
            moments[span.valid_from, span.field]["after"] = span.value
        if span.valid_to is not None and start < span.valid_to <= end:
            moments[span.valid_to, span.field]["before"] = span.value
    found = (
        Step(field, sides.get("before", absent(field)), sides.get("after", absent(field)), instant)
        for (instant, field), sides in moments.items()
    )
    return sorted(
        (step for step in found if step.before != step.after),
        key=lambda step: (step.change_timestamp, field_order(step.field)),
    )


def net(spans: Iterable[Span], start: datetime, end: datetime) -> list[Step]:
    """Return the fields whose value at `end` is not that at `start`, in the order of fields.

    The instant of each is that of its last change in between.
    """
    first: dict[str, Step] = {}
    last: dict[str, Step] = {}
    for step in steps(spans, start, end):
        first.setdefault(step.field, step)
        last[step.field] = step
    return [
        Step(field, first[field].before, last[field].after, last[field].change_timestamp)
        for field in sorted(last, key=field_order)
        if first[field].before != last[field].after
    ]


def difference(mode: Mode, spans: Iterable[Span], start: datetime, end: datetime) -> list[Step]:
    """Return the net difference or every step, as the mode says."""
    return net(spans, start, end) if mode == "net" else steps(spans, start, end)


def absent(field: str) -> Value:
    """Return the value of a field where no span has one."""
    return False if field == EXISTS else None


def field_order(field: str) -> tuple[int, str]:
    """Return the key that puts fields in reading order: existence, name, type, then the details by type."""
    own = (EXISTS, DISPLAY_NAME, ENTITY_TYPE)
    return (own.index(field), "") if field in own else (len(own), field)


class EntityDiff(Struct, frozen=True):
    """What changed in one entity."""

    entity_uid: UUID
    changes: list[Step]
