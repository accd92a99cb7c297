"""PURE: what differs between two points of two-dimensional time: S(start, known_from) and S(end, known_to).

A path leads from one to the other: first along recorded time at `start`, one step for each event that changed what was
believed of it, then along valid time at `known_to`. The net difference of a field is its first step's before against
its last step's after. A rectangle is a stretch of valid time on which what was believed at `known_from` and what was
believed at `known_to` differ.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from operator import attrgetter

from msgspec import Struct
from msgspec.structs import replace

from read_side.beliefs import Span, Value, absent, believed, learnt, since, turns
from shared.core.assertions import DISPLAY_NAME, ENTITY_TYPE, EXISTS

Fields = Mapping[str, list[Span]]
"""The spans of each field, the fields in their order."""

BEGINNING = datetime.min.replace(tzinfo=UTC)
"""No instant is earlier."""


class Points(Struct, frozen=True):
    """What is compared: `start` as known at position `known_from`, with `end` as known at `known_to`.

    Without an end, valid time goes on as long as anything is said of it.
    """

    start: datetime
    end: datetime | None
    known_from: int
    known_to: int


class Step(Struct, frozen=True):
    """A field's value before and after a point of the path, and the position of the event that made it so.

    The point is an instant of valid time; along recorded time there is none, the step is the event itself.
    """

    field: str
    before: Value
    after: Value
    position: int
    instant: datetime | None = None


class Rectangle(Struct, frozen=True):
    """A field's value on [valid_from, valid_to) as believed before and after, and the last event that changed it."""

    field: str
    before: Value
    after: Value
    position: int
    valid_from: datetime
    valid_to: datetime | None


def steps(spans: Iterable[Span], points: Points) -> list[Step]:
    """Return every step of the path, in its order; those at one point in the order of fields."""
    fields = _by_field(spans)
    return [*_along_recorded_time(fields, points), *_along_valid_time(fields, points)]


def net(spans: Iterable[Span], points: Points) -> list[Step]:
    """Return the fields whose value differs between the points, in their order; each has what its last step has."""
    of: defaultdict[str, list[Step]] = defaultdict(list)
    for step in steps(spans, points):
        of[step.field].append(step)
    return [
        replace(of[field][-1], before=of[field][0].before)
        for field in sorted(of, key=field_order)
        if of[field][0].before != of[field][-1].after
    ]


def rectangles(spans: Iterable[Span], points: Points) -> list[Rectangle]:
    """Return where in [start, end) the two beliefs differ: by field, then in the order of time.

    At each of its instants a rectangle is the net difference along recorded time.
    """
    found: list[Rectangle] = []
    news = [span for span in spans if span.told.is_news(points.known_from, points.known_to)]
    for field, of in _by_field(news).items():
        inner = sorted(at for at in _edges(of) if points.start < at and (points.end is None or at < points.end))
        for start, end in zip([points.start, *inner], [*inner, points.end], strict=True):
            path = turns(learnt(of, start), points.known_from, points.known_to, absent(field))
            if path and path[0].before != path[-1].after:
                found.append(Rectangle(field, path[0].before, path[-1].after, path[-1].at, start, end))
    return _joined(found)


def field_order(field: str) -> tuple[int, str]:
    """Return the key that puts fields in reading order: existence, name, type, then the details by type."""
    own = (EXISTS, DISPLAY_NAME, ENTITY_TYPE)
    return (own.index(field), "") if field in own else (len(own), field)


def _along_recorded_time(fields: Fields, points: Points) -> list[Step]:
    found = []
    for field, of in fields.items():
        told = learnt(of, points.start)
        for position, before, after in turns(told, points.known_from, points.known_to, absent(field)):
            found.append(Step(field, before, after, position))
    return sorted(found, key=attrgetter("position"))


def _along_valid_time(fields: Fields, points: Points) -> list[Step]:
    found = []
    for field, of in fields.items():
        edges = _edges(of)
        for instant, before, after in turns(believed(of, points.known_to), points.start, points.end, absent(field)):
            position = since(edges[instant], instant, after, points.known_to)
            found.append(Step(field, before, after, position, instant))
    return sorted(found, key=attrgetter("instant"))


def _by_field(spans: Iterable[Span]) -> Fields:
    found: defaultdict[str, list[Span]] = defaultdict(list)
    for span in spans:
        found[span.field].append(span)
    return {field: found[field] for field in sorted(found, key=field_order)}


def _edges(spans: Iterable[Span]) -> Mapping[datetime, list[Span]]:
    """Return the spans that begin or end at an instant, for every instant where any does."""
    found: defaultdict[datetime, list[Span]] = defaultdict(list)
    for span in spans:
        found[span.told.valid_from].append(span)
        if span.told.valid_to is not None:
            found[span.told.valid_to].append(span)
    return found


def _joined(found: Iterable[Rectangle]) -> list[Rectangle]:
    """Return the rectangles, those as one that touch and differ in nothing else."""
    joined: list[Rectangle] = []
    for part in found:
        last = joined[-1] if joined else None
        if last and last.valid_to == part.valid_from and _content(last) == _content(part):
            joined[-1] = replace(last, valid_to=part.valid_to)
        else:
            joined.append(part)
    return joined


def _content(part: Rectangle) -> tuple[str, Value, Value, int]:
    return part.field, part.before, part.after, part.position
