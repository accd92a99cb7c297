"""PURE: what was believed when: rows of two dimensions of time, read along valid time at one position.

A field has stretches of one value each, and turns where one stretch goes over into another. `learning.py` reads the
same rows along positions.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from datetime import datetime
from itertools import takewhile
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from shared.core.assertions import DETAILS, DISPLAY_NAME, ENTITY_TYPE, EXISTS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

Value = str | bool | None
Point = TypeVar("Point", datetime, int)


class Told(Struct, frozen=True, gc=False):
    """Where one row stands: valid on [valid_from, valid_to), open while valid_to is None.

    It was made at position `recorded_from` and believed until `recorded_to`, None being ever since; until
    `valid_to_known` it was believed to be open.
    """

    valid_from: datetime
    valid_to: datetime | None
    recorded_from: int
    valid_to_known: int | None = None
    recorded_to: int | None = None

    def is_believed(self, known: int) -> bool:
        """Say whether the row was believed at a position."""
        return self.recorded_from <= known and (self.recorded_to is None or known < self.recorded_to)

    def is_news(self, known: int) -> bool:
        """Say whether an event after a position made, closed or superseded the row."""
        positions = self.recorded_from, self.valid_to_known, self.recorded_to
        return any(position is not None and known < position for position in positions)

    def has_end(self, known: int) -> bool:
        """Say whether its end had been told at a position."""
        return self.valid_to_known is not None and self.valid_to_known <= known


class Span(Struct, frozen=True, gc=False):
    """One value of one field, as one row tells it."""

    field: str
    value: Value
    told: Told


class Stretch(NamedTuple, Generic[Point]):
    """One value on [start, end), open while end is None: of instants, or of positions."""

    start: Point
    end: Point | None
    value: Value


class Turn(NamedTuple, Generic[Point]):
    """Where a value becomes another one."""

    at: Point
    before: Value
    after: Value


def spans_of_entity(display_name: str, entity_type: str, told: Told) -> tuple[Span, ...]:
    """Return what one row of `entity_version` says: that the entity exists, its name and its type."""
    return Span(EXISTS, True, told), Span(DISPLAY_NAME, display_name, told), Span(ENTITY_TYPE, entity_type, told)


def span_of_detail(detail_type: str, detail_value: str, told: Told) -> Span:
    """Return what one row of `entity_detail_version` says."""
    return Span(DETAILS + detail_type, detail_value, told)


def absent(field: str) -> Value:
    """Return the value of a field where no span has one."""
    return False if field == EXISTS else None


def believed(spans: Iterable[Span], known: int) -> list[Stretch[datetime]]:
    """Return what was believed of one field at a position, along valid time."""
    return joined(
        Stretch(span.told.valid_from, span.told.valid_to if span.told.has_end(known) else None, span.value)
        for span in spans
        if span.told.is_believed(known)
    )


def as_told(spans: Iterable[Span], known: int) -> list[Span]:
    """Return the spans without what was told after a position."""
    return [
        replace(
            span,
            told=replace(
                told,
                valid_to=told.valid_to if told.has_end(known) else None,
                valid_to_known=told.valid_to_known if told.has_end(known) else None,
                recorded_to=told.recorded_to if not told.is_believed(known) else None,
            ),
        )
        for span in spans
        if (told := span.told).recorded_from <= known
    ]


def edges(spans: Iterable[Span]) -> Mapping[datetime, list[Span]]:
    """Return the spans that begin or end at an instant, for every instant where any does."""
    found: defaultdict[datetime, list[Span]] = defaultdict(list)
    for span in spans:
        found[span.told.valid_from].append(span)
        if span.told.valid_to is not None:
            found[span.told.valid_to].append(span)
    return found


def value_at(stretches: Sequence[Stretch[Point]], point: Point, nothing: Value) -> Value:
    """Return the value at a point, `nothing` outside the stretches."""
    place = bisect_right(stretches, point, key=lambda stretch: stretch.start)
    stretch = stretches[place - 1] if place else None
    return stretch.value if stretch and (stretch.end is None or point < stretch.end) else nothing


def turns(stretches: Sequence[Stretch[Point]], start: Point, end: Point | None, nothing: Value) -> list[Turn[Point]]:
    """Return where in (start, end] the value becomes another one, `nothing` being the value outside the stretches."""
    before = {stretch.end: stretch.value for stretch in stretches if stretch.end is not None}
    after = {stretch.start: stretch.value for stretch in stretches}
    points = sorted(point for point in before.keys() | after.keys() if start < point and (end is None or point <= end))
    return [Turn(point, before.get(point, nothing), after.get(point, nothing)) for point in points]


def since(spans: Sequence[Span], instant: datetime, after: Value, known: int) -> int:
    """Return the position since which, up to `known`, it has been believed that this value begins at this instant.

    Where the value is an absent one, that is: since when it has been believed that another one ends there. Takes the
    spans of one field that begin or end there: any other runs through, and says that nothing begins.
    """
    same = [span for span in spans if span.value == after]
    if len(same) == 1 and same == [span for span in spans if span.told.valid_from == instant]:
        return same[0].told.recorded_from  # nothing else was ever believed to begin there, and nothing like it to end
    nothing = absent(spans[0].field)

    def begins(position: int) -> bool:
        there = [span for span in spans if span.told.is_believed(position)]
        ending = [s.value for s in there if s.told.valid_to == instant and s.told.has_end(position)]
        beginning = [s.value for s in there if s.told.valid_from == instant]
        return [after] == (beginning or [nothing]) and [after] != (ending or [nothing])

    told = (p for s in spans for p in (s.told.recorded_from, s.told.valid_to_known, s.told.recorded_to))
    positions = sorted({position for position in told if position is not None and position <= known}, reverse=True)
    return min(takewhile(begins, positions))


def joined(stretches: Iterable[Stretch[Point]]) -> list[Stretch[Point]]:
    """Return the stretches in order, those that touch and have one value as one: a row may end for another field."""
    found: list[Stretch[Point]] = []
    for stretch in sorted(stretches, key=lambda stretch: stretch.start):
        last = found[-1] if found else None
        if last is not None and last.end == stretch.start and last.value == stretch.value:
            found[-1] = Stretch(last.start, stretch.end, last.value)
        else:
            found.append(stretch)
    return found
