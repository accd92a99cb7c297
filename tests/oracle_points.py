"""The second opinion on one point of two-dimensional time: what was true at t, as known at K; from raw events alone.

Written the slowest and plainest way, for one (t, K) at a time, after the three sentences of the design. It shares no
code with what it judges and remembers nothing from one point to the next.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

ABSENT: Mapping[str, Any] = {}
"""What an entity is where it does not exist."""


@dataclass(frozen=True)
class Said:
    """One event, as an oracle needs it: what it asserts by field, or what it cancels; `until` may be "infinity"."""

    position: int
    event_id: Any
    at: datetime
    until: datetime | str | None
    fields: Mapping[str, Any]
    cancels: Any = None


def state(events: Sequence[Said], t: datetime, known: int) -> Mapping[str, Any]:
    """Return the fields of the entity at t as known at a position: ABSENT where it does not exist.

    A detail that is absent is left out; name and type are there, None where nothing was said of them.
    """
    heard = [event for event in events if event.position <= known]
    cancelled = {event.cancels for event in heard if event.cancels is not None}
    counting = [event for event in heard if event.event_id not in cancelled]
    names = sorted({name for event in counting for name in event.fields})
    found = {name: field([event for event in counting if name in event.fields], name, t) for name in names}
    if found.pop("exists", None) is not True:
        return ABSENT
    details = {name: value for name, value in found.items() if name.startswith("details.") and value is not None}
    return {"display_name": found.get("display_name"), "entity_type": found.get("entity_type"), **details}


def field(events: Sequence[Said], name: str, t: datetime) -> Any:
    """Return the value of one field at t; None where nothing was said."""
    points, overlays = [], []
    for_good = [event for event in events if event.until == "infinity"]
    for event in events:
        overwriting = [e for e in for_good if e.position > event.position]
        if isinstance(event.until, datetime):
            end = min([event.until, *(e.at for e in overwriting)])
            if event.at <= t < end:
                overlays.append(event)
        elif event.at <= t and not any(event.at > e.at for e in overwriting):
            points.append(event)
    c = max(points, key=lambda event: (event.at, event.position), default=None)
    o = max(overlays, key=lambda event: event.position, default=None)
    if c is None and o is None:
        return None
    if o is None or (c is not None and c.position > o.position and c.at >= o.at):
        assert c is not None
        return c.fields[name]
    return o.fields[name]
