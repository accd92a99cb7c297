"""Random histories of one entity in two dimensions of time, and the rows that they lead to, as tests ask for them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from hypothesis import strategies as st
from msgspec import UNSET
from msgspec.structs import replace

from shared.core.events import (
    INFINITY,
    EntityEvent,
    EntityRegistered,
    EntityReopened,
    EntityRetired,
    EntityRevised,
    Event,
    EventCancelled,
    Recorded,
    Until,
)
from shared.core.rows import Change, EntityVersion, Opened, Row, Superseded
from shared.core.timeline import Timeline, fold
from tests.given import UID, day, record
from tests.oracle_points import ABSENT, Said, state

DAYS = 8

names, kinds, codes = (
    st.sampled_from("AB"),
    st.sampled_from(["PERSON", "INSTITUTION"]),
    st.sampled_from(["EMAIL", "FAX"]),
)
revised = (st.just(UNSET) | names, st.just(UNSET) | kinds, st.dictionaries(codes, st.none() | names))
registrations = st.builds(EntityRegistered, names, kinds, st.dictionaries(codes, names))
later: st.SearchStrategy[EntityEvent] = st.one_of(
    st.builds(EntityRevised, *revised).filter(lambda event: event != EntityRevised()),
    st.builds(EntityRevised, *revised).filter(lambda event: event != EntityRevised()),
    st.builds(EntityReopened, *revised),
    st.just(EntityRetired()),
)


def grid() -> list[datetime]:
    """Return the instants that histories speak of, and one before them all."""
    return [day(n) for n in range(DAYS + 1)]


@st.composite
def spans(draw: st.DrawFn) -> tuple[datetime, Until]:
    """Draw since when, and how long."""
    start = draw(st.integers(1, DAYS))
    until = draw(st.sampled_from(["open", "open", "bounded", INFINITY]))
    if until == "bounded":
        return day(start), day(draw(st.integers(start + 1, DAYS + 2)))
    return day(start), INFINITY if until == INFINITY else None


@st.composite
def histories(draw: st.DrawFn, most: int = 9) -> list[Recorded]:
    """Draw the life of an entity: assertions open, bounded and overwriting, in any order of time, and cancellations."""
    history = [_recorded(draw(registrations), 1, *draw(spans()))]
    for version in range(2, draw(st.integers(1, most)) + 1):
        standing = [
            r.event_id for r in history if not isinstance(r.event, EventCancelled) and not _is_cancelled(r, history)
        ]
        if standing and draw(st.integers(0, 5)) == 0:
            history.append(_recorded(EventCancelled(draw(st.sampled_from(standing))), version, day(version), None))
        else:
            history.append(_recorded(draw(later), version, *draw(spans())))
        if _is_nameless(history):  # no command is accepted that leads there
            history.pop()
            break
    return history


def _is_cancelled(recorded: Recorded, history: Sequence[Recorded]) -> bool:
    return any(isinstance(r.event, EventCancelled) and r.event.event_id == recorded.event_id for r in history)


def _is_nameless(history: Sequence[Recorded]) -> bool:
    said = as_said(history)
    return any(None in state(said, instant, len(history)).values() for instant in [*grid(), day(DAYS + 2)])


def _recorded(event: EntityEvent, version: int, at: datetime, until: Until) -> Recorded:
    return record(event, version, day(version), at, effective_until=until)


def as_said(history: Sequence[Recorded]) -> list[Said]:
    """Return the history as the oracle takes it."""
    return [
        Said(
            position=r.position,
            event_id=r.event_id,
            at=r.effective_at,
            until=r.effective_until,
            fields=said_of(r.event),
            cancels=r.event.event_id if isinstance(r.event, EventCancelled) else None,
        )
        for r in history
    ]


def said_of(event: Event) -> dict[str, Any]:
    """Return what an event says, by field; read here anew, as the oracle shares nothing with what it judges."""
    exists = {EntityRegistered: True, EntityReopened: True, EntityRetired: False}.get(type(event))
    given = {"exists": exists, **{name: getattr(event, name, UNSET) for name in ("display_name", "entity_type")}}
    said = {name: value for name, value in given.items() if value is not UNSET and value is not None}
    return said | {f"details.{code}": value for code, value in getattr(event, "details", {}).items()}


@dataclass
class Believed:
    """Every row that was ever believed, with the position from which it was not any more (None: it still is)."""

    timeline: Timeline
    rows: dict[int, tuple[Row, int | None]] = field(default_factory=dict)

    @classmethod
    def after(cls, history: Sequence[Recorded]) -> Believed:
        believed = cls(Timeline(entity_uid=UID))
        for recorded in history:
            believed.timeline, changes = fold(believed.timeline, recorded)
            believed.apply(changes)
        now = {row.id: (row, None) for rows in believed.timeline.rows.values() for row in rows}
        assert now == {n: known for n, known in believed.rows.items() if known[1] is None}
        return believed

    def apply(self, changes: Sequence[Change]) -> None:
        """Do what the changes say, and nothing else."""
        for change in changes:
            assert (change.row.id in self.rows) != isinstance(change, Opened)
            self.rows[change.row.id] = (
                change.row,
                change.recorded_to_position if isinstance(change, Superseded) else None,
            )

    def groups(self, known: int) -> Iterator[list[Row]]:
        """Yield the rows of each group as they were believed at a position, in the order of valid time."""
        seen = [row for row in (as_known(*believed, known) for believed in self.rows.values()) if row is not None]
        for group in {getattr(row, "detail_type", None) for row in seen}:
            yield sorted((r for r in seen if getattr(r, "detail_type", None) == group), key=lambda r: r.valid_from)


def as_known(row: Row, recorded_to: int | None, known: int) -> Row | None:
    """Return a row as it was believed at a position: None where it was not, open where its end was not told yet."""
    if not (row.recorded_from_position <= known and (recorded_to is None or known < recorded_to)):
        return None
    is_open = row.valid_to_known_position is not None and known < row.valid_to_known_position
    return replace(row, valid_to=None) if is_open else row


def state_in_rows(rows: Mapping[int, tuple[Row, int | None]], instant: datetime, known: int) -> Mapping[str, Any]:
    """Return what the rows say of an instant as known at a position, in the oracle's words."""
    seen = [row for row in (as_known(*believed, known) for believed in rows.values()) if row is not None]
    valid = [row for row in seen if row.valid_from <= instant and (row.valid_to is None or instant < row.valid_to)]
    entities = [row for row in valid if isinstance(row, EntityVersion)]
    details = {f"details.{row.detail_type}": row.detail_value for row in valid if not isinstance(row, EntityVersion)}
    if not entities:
        return {"details outside existence": details} if details else ABSENT
    (entity,) = entities
    return {"display_name": entity.display_name, "entity_type": entity.entity_type, **details}
