"""The worked examples of docs/time.md: what is said and when, and the rectangles in two times it leads to."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from shared.core.events import (
    INFINITY,
    EntityEvent,
    EntityRegistered,
    EntityReopened,
    EntityRetired,
    EntityRevised,
    EventCancelled,
    Recorded,
    Until,
)
from shared.core.rows import EntityVersion
from tests.given import record
from tests.histories import Believed


def on(month: int, of_month: int = 1) -> datetime:
    """Return midnight of a day of 2024."""
    return datetime(2024, month, of_month, tzinfo=UTC)


@dataclass(frozen=True)
class Telling:
    """One event: when it was recorded, what it says in a word or two, and since when that holds."""

    recorded_at: datetime
    caption: str
    event: EntityEvent
    effective_at: datetime
    effective_until: Until = None


@dataclass(frozen=True)
class Rectangle:
    """One value, true on [valid_from, valid_to), known on [recorded_from, recorded_to); None is open."""

    value: str
    valid_from: datetime
    valid_to: datetime | None
    recorded_from: datetime
    recorded_to: datetime | None

    def __str__(self) -> str:
        valid = f"[{_short(self.valid_from)},{_short(self.valid_to)})"
        return f"{self.value} {valid}[{_short(self.recorded_from)},{_short(self.recorded_to)})"


def _short(instant: datetime | None) -> str:
    return "∞" if instant is None else f"{instant:%b}{instant.day}"


def name(value: str) -> EntityRevised:
    return EntityRevised(display_name=value)


START = Telling(on(1), "A", EntityRegistered("A", "PERSON"), on(1))
NORMAL = (START, Telling(on(3), "B", name("B"), on(3)))
SCHEDULED = (START, Telling(on(3), "B from Jun 1", name("B"), on(6)))
EXAMPLES: dict[str, tuple[Telling, ...]] = {
    "change": NORMAL,
    "late": (*NORMAL, Telling(on(4), "C from Feb 1", name("C"), on(2))),
    "scheduled": (*SCHEDULED, Telling(on(4), "C, now", name("C"), on(4))),
    "overlay": (*NORMAL, Telling(on(4), "X from Feb 1 until Feb 15", name("X"), on(2), on(2, 15))),
    "retired": (
        START,
        Telling(on(5), "retired", EntityRetired(), on(5)),
        Telling(on(7), "reopened", EntityReopened(), on(7)),
    ),
    "infinity": (*SCHEDULED, Telling(on(4), "C until infinity", name("C"), on(4), INFINITY)),
    "cancel": (
        *SCHEDULED,
        Telling(on(4), "B cancelled", EventCancelled(record(START.event, 2, on(1)).event_id), on(4)),
    ),
}
"""By the name of the picture."""


def rectangles(example: tuple[Telling, ...]) -> list[Rectangle]:
    """Return the rectangles of the name in the order of recorded, then valid time, from the fold's rows alone."""
    history = [_recorded(telling, n) for n, telling in enumerate(example, start=1)]
    instants = {r.position: r.recorded_at for r in history}
    found = []
    for row, recorded_to in Believed.after(history).rows.values():
        assert isinstance(row, EntityVersion)
        known_from, end = row.recorded_from_position, instants.get(recorded_to or 0)
        if row.valid_to_known_position and row.valid_to_known_position > known_from:  # it was open at first
            told = instants[row.valid_to_known_position]
            found.append(Rectangle(row.display_name, row.valid_from, None, instants[known_from], told))
            found.append(Rectangle(row.display_name, row.valid_from, row.valid_to, told, end))
        else:
            found.append(Rectangle(row.display_name, row.valid_from, row.valid_to, instants[known_from], end))
    return sorted(found, key=lambda r: (r.recorded_from, r.valid_from))


def _recorded(telling: Telling, number: int) -> Recorded:
    return record(
        telling.event, number, telling.recorded_at, telling.effective_at, effective_until=telling.effective_until
    )
