"""What the rows of a group have to say, from the assertions of its fields: stretches of valid time with one content.

Existence, the name and the type together make one group; each detail type makes one more, cut to existence.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from shared.core.assertions import DETAILS, DISPLAY_NAME, ENTITY_TYPE, EXISTS, Assertion, Piece, Value, pieces

ENTITY = "entity"
"""The group of existence, name and type; that of a detail is named as its field."""

Fields = Mapping[str, tuple[Assertion, ...]]
"""The assertions of each field that are not cancelled, in the order of their positions."""

Content = tuple[str, str]
"""What a row says: name and type, or detail type and value."""


class Segment(NamedTuple):
    """One content on [start, end), end None being open."""

    start: datetime
    end: datetime | None
    content: Content


def columns(group: str) -> tuple[str, ...]:
    """Return the fields that a group is made of, existence first."""
    return (EXISTS, DISPLAY_NAME, ENTITY_TYPE) if group == ENTITY else (EXISTS, group)


def segments(fields: Fields, group: str) -> list[Segment]:
    """Return the segments of a group in the order of time; no two that touch are equal."""
    found: list[Segment] = []
    for start, end, (exists, *values) in _together([pieces(fields.get(column, ())) for column in columns(group)]):
        if exists is not True or None in values:
            continue
        first, second = values if group == ENTITY else (group.removeprefix(DETAILS), *values)
        content = (str(first), str(second))
        if found and found[-1].end == start and found[-1].content == content:
            start = found.pop().start  # noqa: PLW2901  # the segment goes on
        found.append(Segment(start, end, content))
    return found


def has_gap(fields: Fields) -> bool:
    """Say whether the entity exists at some instant without a name or a type."""
    together = _together([pieces(fields.get(column, ())) for column in columns(ENTITY)])
    return any(exists is True and None in values for _, _, (exists, *values) in together)


def asserted_to(fields: Fields, group: str) -> datetime | None:
    """Return the last instant asserted about a group, where something begins or ends."""
    said = (instant for column in columns(group) for a in fields.get(column, ()) for instant in a.instants)
    return max(said, default=None)


def _together(timelines: Sequence[Sequence[Piece]]) -> Iterator[tuple[datetime, datetime | None, list[Value]]]:
    """Yield every stretch on which no field changes, with what each field holds on it."""
    starts = sorted({piece.start for timeline in timelines for piece in timeline})
    places = [0] * len(timelines)
    for start, end in zip(starts, [*starts, None][1:], strict=True):
        values: list[Value] = []
        for n, timeline in enumerate(timelines):
            while places[n] < len(timeline) and timeline[places[n]].start <= start:
                places[n] += 1
            values.append(timeline[places[n] - 1].value if places[n] else None)
        yield start, end, values
