"""What events assert about the fields of an entity, and which value of a field holds when: the rule of valid time.

Each field is its own timeline. An assertion without a bound is a change point: it holds until the next known change
point of its field. One with `effective_until` is an overlay: when it ends, what lies beneath resumes. One until
`"infinity"` is a change point that overwrites: it voids the earlier-recorded change points after it, and cuts the
earlier-recorded overlays at it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from heapq import heappop, heappush
from typing import TYPE_CHECKING, assert_never
from uuid import UUID

from msgspec import UNSET, Struct

from shared.core.events import (
    INFINITY,
    EntityRegistered,
    EntityReopened,
    EntityRetired,
    EntityRevised,
    EventCancelled,
    EventSkipped,
    Until,
)

if TYPE_CHECKING:
    from shared.core.events import EntityEvent

EXISTS, DISPLAY_NAME, ENTITY_TYPE, DETAILS = "exists", "display_name", "entity_type", "details."
"""The fields of an entity; a detail's is `details.` and its type."""

Value = str | bool | None
"""What a field holds: text, existence, or None where a detail is absent and where nothing was asserted."""


class Assertion(Struct, frozen=True, gc=False):
    """One value of one field, from effective_at on; its bound as in the event that made it."""

    value: Value
    effective_at: datetime
    effective_until: Until
    position: int
    event_id: UUID

    @property
    def instants(self) -> tuple[datetime, ...]:
        """Where it begins, and where it ends if it is bounded."""
        return instants(self.effective_at, self.effective_until)


class Piece(Struct, frozen=True, gc=False):
    """What a field holds on [start, end), end None being open."""

    start: datetime
    end: datetime | None
    value: Value


def instants(effective_at: datetime, effective_until: Until) -> tuple[datetime, ...]:
    """Return where something begins, and where it ends if it is bounded."""
    return (effective_at, effective_until) if isinstance(effective_until, datetime) else (effective_at,)


def assertions(event: EntityEvent) -> dict[str, Value]:
    """Return what an event asserts, by field; a detail of None is absent from then on."""
    asserted: dict[str, Value] = {}
    match event:
        case EntityRevised():
            pass
        case EntityRegistered() | EntityReopened():
            asserted[EXISTS] = True
        case EntityRetired():
            return {EXISTS: False}
        case EventCancelled() | EventSkipped():
            return {}
        case _:
            assert_never(event)
    if event.display_name is not UNSET:
        asserted[DISPLAY_NAME] = event.display_name
    if event.entity_type is not UNSET:
        asserted[ENTITY_TYPE] = event.entity_type
    for code, value in event.details.items():
        asserted[DETAILS + code] = value
    return asserted


def value_at(field: Sequence[Assertion], instant: datetime) -> Value:
    """Return what a field holds at an instant, given its assertions that are not cancelled; None where nothing does.

    Of the change points at or before the instant the one with the greatest (effective_at, position) counts, of the
    overlays that cover it the one with the greatest position.
    """
    points, overlays = _standing(field)
    point = max((point for point in points if point.effective_at <= instant), key=_order, default=None)
    covering = (overlay for overlay, end in overlays if overlay.effective_at <= instant < end)
    return _winner(point, max(covering, key=lambda overlay: overlay.position, default=None))


def pieces(field: Sequence[Assertion]) -> list[Piece]:
    """Return what a field holds from its first assertion on, without gaps, as `value_at` has it: in one sweep.

    Neighbours may hold the same.
    """
    points, overlays = _standing(field)
    starts = sorted(points, key=_order, reverse=True)
    coming = sorted(overlays, key=lambda bounded: bounded[0].effective_at, reverse=True)
    ends = [end for _, end in overlays]
    instants = sorted({*(a.effective_at for a in points), *(overlay.effective_at for overlay, _ in overlays), *ends})
    found: list[Piece] = []
    point: Assertion | None = None
    covering: list[tuple[int, datetime, Assertion]] = []
    for instant, following in zip(instants, [*instants, None][1:], strict=True):
        while starts and starts[-1].effective_at <= instant:
            point = starts.pop()
        while coming and coming[-1][0].effective_at <= instant:
            overlay, end = coming.pop()
            heappush(covering, (-overlay.position, end, overlay))
        while covering and covering[0][1] <= instant:
            heappop(covering)
        found.append(Piece(instant, following, _winner(point, covering[0][2] if covering else None)))
    return found


def _winner(point: Assertion | None, overlay: Assertion | None) -> Value:
    """The overlay wins, unless the change point was recorded after it and does not start before it."""
    if point is None or overlay is None:
        top = point or overlay
        return None if top is None else top.value
    is_later = point.position > overlay.position and point.effective_at >= overlay.effective_at
    return (point if is_later else overlay).value


def _standing(field: Sequence[Assertion]) -> tuple[list[Assertion], list[tuple[Assertion, datetime]]]:
    """Return the change points that are not voided, and the overlays with their ends, cut where one overwrites them."""
    points = [assertion for assertion in field if not isinstance(assertion.effective_until, datetime)]
    overlays = [(a, a.effective_until) for a in field if isinstance(a.effective_until, datetime)]
    for overwriting in [point for point in points if point.effective_until == INFINITY]:
        at, position = overwriting.effective_at, overwriting.position
        points = [point for point in points if point.position >= position or point.effective_at <= at]
        overlays = [(o, end if o.position > position else min(end, at)) for o, end in overlays]
    return points, [(overlay, end) for overlay, end in overlays if overlay.effective_at < end]


def _order(point: Assertion) -> tuple[datetime, int]:
    return point.effective_at, point.position
