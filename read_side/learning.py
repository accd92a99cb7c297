"""PURE: how belief changed: rows of two dimensions of time, read along positions at one instant of valid time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from read_side.beliefs import Span, Stretch, edges, joined

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from datetime import datetime


def learnt(spans: Iterable[Span], instant: datetime) -> list[Stretch[int]]:
    """Return what was believed of one field at an instant of valid time, along positions."""
    return joined(stretch for span in spans if (stretch := _learnt(span, instant)))


def learnt_everywhere(spans: Iterable[Span]) -> Iterator[tuple[datetime, Mapping[int | None, Stretch[int]]]]:
    """Yield what was believed of one field, along positions, from each instant on where any span begins or ends.

    The stretches come by the position where they end, not joined; the mapping is good until the next one is taken.
    """
    by_end: dict[int | None, Stretch[int]] = {}
    for instant, there in sorted(edges(spans).items()):
        for span in there:
            if span.told.valid_from < instant:
                del by_end[span.told.recorded_to]
        for span in there:
            if stretch := _learnt(span, instant):
                by_end[stretch.end] = stretch
        yield instant, by_end


def last_turn(by_end: Mapping[int | None, Stretch[int]]) -> int:
    """Return the last position where the value becomes another one, from stretches by the position where they end."""
    last = by_end.get(None)
    if last is None:
        return max(end for end in by_end if end is not None)
    start = last.start
    while start in by_end and by_end[start].value == last.value:
        start = by_end[start].start
    return start


def _learnt(span: Span, instant: datetime) -> Stretch[int] | None:
    """Return along which positions a span was believed of an instant."""
    told = span.told
    if instant < told.valid_from:
        return None
    is_over = told.valid_to is not None and told.valid_to <= instant
    ends = [told.recorded_to, told.valid_to_known if is_over else None]
    end = min((position for position in ends if position is not None), default=None)
    return Stretch(told.recorded_from, end, span.value) if end is None or told.recorded_from < end else None
