"""Several entities with random histories in two dimensions of time, written into a read model, and what an oracle says.

They come from the strategies of `tests/histories.py`, their events one after the other in one log.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from itertools import pairwise
from typing import Any
from uuid import UUID

import psycopg
from hypothesis import assume
from hypothesis import strategies as st
from msgspec.structs import replace

from shared.core.events import EventCancelled, Recorded, entity_stream
from shared.core.rows import EntityVersion, Row
from tests.histories import DAYS, Believed, as_known, as_said, histories
from tests.integration.reading import Projected, day, uid
from tests.oracle_points import state

INSTANTS = [day(n) for n in range(DAYS + 4)]
"""Every instant that they speak of, and one before and after them all."""
TABLES = (
    *("entity_head", "entity_version", "entity_detail_version", "audit_entry", "entity_type", "detail_type"),
    *("entity_version_superseded", "entity_detail_version_superseded"),
)
World = dict[UUID, list[Recorded]]


@st.composite
def worlds(draw: st.DrawFn, most: int = 5) -> World:
    """Draw a few lives, and in which order their events were recorded."""
    lives = [deque(draw(histories(most))) for _ in range(draw(st.integers(2, 3)))]
    world: World = {uid(number): [] for number in range(1, len(lives) + 1)}
    ids: dict[tuple[UUID, UUID], UUID] = {}
    position = 0
    while lives_on := [(of, life) for of, life in zip(world, lives, strict=True) if life]:
        of, coming = draw(st.sampled_from(lives_on))
        recorded, position = coming.popleft(), position + 1
        ids[of, recorded.event_id] = UUID(int=position)
        event = recorded.event
        if isinstance(event, EventCancelled):
            event = EventCancelled(ids[of, event.event_id])
        world[of].append(
            replace(
                recorded,
                position=position,
                event_id=UUID(int=position),
                stream=entity_stream(of),
                event=event,
                recorded_at=day(position),
            )
        )
    for life in world.values():
        said = as_said(life)  # no command is accepted after which an entity has no name
        assume(not any(None in state(said, t, known).values() for t in INSTANTS for known in range(position + 1)))
    return world


def head(world: World) -> int:
    return sum(map(len, world.values()))


def write(connection: psycopg.Connection[Any], world: World) -> None:
    """Make the read model that of the world, and nothing else."""
    for table in TABLES:
        connection.execute(f"TRUNCATE read_model.{table}".encode())
    book = Projected(connection)
    for recorded in sorted((r for life in world.values() for r in life), key=lambda r: r.position):
        book.record(recorded)


def truth(world: World, t: datetime, known: int) -> dict[UUID, Mapping[str, Any]]:
    """Return what the oracle says of every entity that exists at t as known at a position."""
    states = {of: state(as_said(life), t, known) for of, life in world.items()}
    return {of: said for of, said in states.items() if said}


def rows(world: World, known: int) -> Iterator[tuple[UUID, Row, int | None]]:
    """Yield the rows that were ever believed up to a position, as they looked then, and when they were superseded."""
    for of, life in world.items():
        for row, recorded_to in Believed.after(life).rows.values():
            shown = as_known(row, None, known)
            if shown is not None:
                yield of, shown, recorded_to if recorded_to is not None and recorded_to <= known else None


def changes(world: World, after: datetime, known: int) -> list[tuple[datetime, UUID, str, Any, Any]]:
    """Return what changes after an instant, by instant, entity and field."""
    found = []
    for of, life in world.items():
        said = as_said(life)
        for earlier, t in pairwise(INSTANTS):
            if t > after:
                before, now = state(said, earlier, known), state(said, t, known)
                pairs = {name: (before.get(name), now.get(name)) for name in {**before, **now}}
                pairs["exists"] = (bool(before), bool(now))
                found += [(t, of, name, *pair) for name, pair in pairs.items() if pair[0] != pair[1]]
    return sorted(found, key=lambda change: (*change[:2], FIELDS.index(change[2])))


FIELDS = ["exists", "display_name", "entity_type", "details.EMAIL", "details.FAX"]


def group(row: Row) -> str:
    """Return the detail type of a row, empty for an entity's."""
    return "" if isinstance(row, EntityVersion) else row.detail_type


def said_by(entity: Mapping[str, Any]) -> dict[str, Any]:
    """Return an entity of an answer in the oracle's words."""
    details: Sequence[Mapping[str, Any]] = entity["entity_details"]
    assert [d["detail_type"] for d in details] == sorted(d["detail_type"] for d in details)
    return {
        "display_name": entity["display_name"],
        "entity_type": entity["entity_type"],
        **{f"details.{d['detail_type']}": d["detail_value"] for d in details},
    }
