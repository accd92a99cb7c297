"""The fold, held against the oracle's slow evaluation of the same random histories, and its own promises."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import UNSET

from shared.core.codec import encode_metadata, encode_payload
from shared.core.errors import CannotFold, NotForward
from shared.core.events import (
    EntityEvent,
    EntityRegistered,
    EntityReopened,
    EntityRetired,
    EntityRevised,
    Kind,
    Recorded,
    TypeActivated,
)
from shared.core.rows import Change, Closed, DetailVersion, EntityVersion, Opened, Reasserted, Row
from shared.core.timeline import Timeline, assertions, fold
from tests import oracle
from tests.given import JOHN, UID, day, record
from tests.oracle_log import Event

EMPTY = Timeline(entity_uid=UID)

names = st.sampled_from(["A", "B"])
kinds = st.sampled_from(["PERSON", "INSTITUTION"])
codes = st.sampled_from(["EMAIL", "PHONE"])
registrations = st.builds(EntityRegistered, names, kinds, st.dictionaries(codes, names))
revised = (st.just(UNSET) | names, st.just(UNSET) | kinds, st.dictionaries(codes, st.none() | names))
later_events: st.SearchStrategy[EntityEvent] = st.one_of(
    st.builds(EntityRevised, *revised).filter(lambda event: event != EntityRevised()),
    st.builds(EntityRevised, *revised).filter(lambda event: event != EntityRevised()),
    st.builds(EntityReopened, *revised),
    st.just(EntityRetired()),
)
paces = st.tuples(st.integers(1, 3), st.sampled_from([0, 0, 0, 1, 2, 5]))  # hours since the last event; backdated by


@dataclass(frozen=True)
class Step:
    """One event that was offered to the fold: what came of it, and whether it was later than all it touches."""

    recorded: Recorded
    after: Timeline
    changes: list[Change]
    refused: bool
    is_forward: bool


@st.composite
def histories(draw: st.DrawFn) -> list[Step]:
    """One entity's life: events forward and not, dated and undated, some in a row at one effective instant."""
    steps: list[Step] = []
    timeline, now, version = EMPTY, day(1), 1
    drawn = [draw(registrations), *draw(st.lists(later_events, max_size=10))]
    for number, event in enumerate(drawn, start=1):
        gap, lag = draw(paces)
        now += timedelta(hours=gap)
        recorded = record(event, version, now, now - timedelta(hours=lag), position=number)
        is_forward = _forward([step.recorded for step in steps if not step.refused], recorded)
        try:
            after, changes = fold(timeline, recorded)
        except NotForward:
            steps.append(Step(recorded, timeline, [], refused=True, is_forward=is_forward))
        else:
            steps.append(Step(recorded, after, changes, refused=False, is_forward=is_forward))
            timeline, version = after, version + 1
    return steps


def _group(field: str) -> str:
    return field if field.startswith("details.") else "entity"


def _forward(accepted: Sequence[Recorded], recorded: Recorded) -> bool:
    """Say whether the event is later than everything that was said about the rows it may move; existence moves all."""
    touched = set(assertions(recorded.event))  # type: ignore[arg-type]  # these histories are an entity's
    for earlier in accepted:
        said = assertions(earlier.event)  # type: ignore[arg-type]  # the same
        meets = any("exists" in {mine, other} or _group(mine) == _group(other) for mine in touched for other in said)
        if meets and recorded.effective_at <= earlier.effective_at:
            return False
    return True


def _rows(steps: Sequence[Step]) -> list[Row]:
    rows: dict[int, Row] = {}
    for step in steps:
        for change in step.changes:
            assert (change.row.id in rows) != isinstance(change, Opened)
            rows[change.row.id] = change.row
    return list(rows.values())


def _of_kind(rows: Sequence[Row]) -> Iterator[list[Row]]:
    """Yield the rows of each group in the order of their valid time."""
    for group in {row.detail_type if isinstance(row, DetailVersion) else None for row in rows}:
        of_group = [row for row in rows if getattr(row, "detail_type", None) == group]
        yield sorted(of_group, key=lambda row: row.valid_from)


def _as_logged(recorded: Recorded) -> Event:
    return Event(
        position=recorded.position,
        event_id=recorded.event_id,
        stream=recorded.stream,
        version=recorded.version,
        effective_at=recorded.effective_at,
        type=type(recorded.event).__name__,
        schema_version=1,
        effective_until=None,
        recorded_at=recorded.recorded_at,
        payload=encode_payload(recorded.event, recorded.context),
        metadata=encode_metadata(recorded.metadata),
        command_id=recorded.event_id,
        ordinal=0,
        salt=b"",
        payload_digest=b"",
        link=b"",
    )


def _by_id(rows: Sequence[dict[str, Any]]) -> dict[int, dict[str, Any]]:
    return {row["id"]: row for row in rows}


@settings(max_examples=300)
@given(histories())
def test_the_rows_are_those_that_evaluating_every_instant_anew_gives(steps: list[Step]) -> None:
    expected = oracle.expected_tables([_as_logged(step.recorded) for step in steps if not step.refused])
    rows = [msgspec.structs.asdict(row) | {"is_current": row.valid_to is None} for row in _rows(steps)]
    for row in rows:
        if "display_name" in row:
            row["search_name"] = row["display_name"].casefold()
    assert _by_id(rows) == _by_id(expected["entity_version"] + expected["entity_detail_version"])
    timeline, (head,) = steps[-1].after, expected["entity_head"]
    assert {name: getattr(timeline, name) for name in head} == head


@given(histories())
def test_an_event_is_refused_just_when_it_is_not_later_than_what_it_touches(steps: list[Step]) -> None:
    assert [step.refused for step in steps] == [not step.is_forward for step in steps]


@given(histories())
def test_rows_of_a_group_neither_overlap_nor_touch_with_equal_content(steps: list[Step]) -> None:
    for rows in _of_kind(_rows(steps)):
        for row, following in pairwise(rows):
            assert row.valid_to is not None
            assert row.valid_from < row.valid_to <= following.valid_from
            assert row.valid_to < following.valid_from or row.hashdiff != following.hashdiff


@given(histories())
def test_entity_rows_have_no_gap_but_retirements(steps: list[Step]) -> None:
    existence: list[tuple[datetime, bool]] = []
    for step in steps:
        said = assertions(step.recorded.event)  # type: ignore[arg-type]  # these histories are an entity's
        if not step.refused and "exists" in said:
            existence.append((step.recorded.effective_at, bool(said["exists"])))
    entity = sorted((row for row in _rows(steps) if isinstance(row, EntityVersion)), key=lambda row: row.valid_from)
    for row, following in pairwise(entity):
        if row.valid_to != following.valid_from:
            assert row.valid_to is not None
            assert (row.valid_to, False) in existence
            assert (following.valid_from, True) in existence
    assert (entity[-1].valid_to is None) == existence[-1][1]


@given(histories())
def test_a_detail_is_never_valid_outside_its_entitys_existence(steps: list[Step]) -> None:
    rows = _rows(steps)
    instants = {row.valid_from for row in rows} | {row.valid_to for row in rows if row.valid_to}
    for at in instants:
        valid = [row for row in rows if row.valid_from <= at and (row.valid_to is None or at < row.valid_to)]
        assert not valid or any(isinstance(row, EntityVersion) for row in valid)


@given(histories())
def test_ids_are_unique_and_tell_the_event_that_made_the_row(steps: list[Step]) -> None:
    rows = _rows(steps)
    assert max(Counter(row.id for row in rows).values()) == 1
    assert all(row.id >> 16 == row.recorded_from_position for row in rows)


@given(histories())
def test_an_event_closes_and_opens_at_most_one_row_of_a_group_it_touches(steps: list[Step]) -> None:
    for step in steps:
        touched = {_group(field) for field in assertions(step.recorded.event)}  # type: ignore[arg-type]  # an entity's
        moved = [(type(c), getattr(c.row, "detail_type", None)) for c in step.changes]
        assert max(Counter(moved).values(), default=0) <= 1
        assert "entity" in touched or all(f"details.{code}" in touched for _, code in moved)
        order = [code or "" for _, code in moved]
        assert order == sorted(order)
        for change, following in pairwise(step.changes):
            assert not (isinstance(change, Opened) and isinstance(following, Closed) and _alike(change, following))


def _alike(change: Change, other: Change) -> bool:
    return getattr(change.row, "detail_type", None) == getattr(other.row, "detail_type", None)


# --- one rule at a time --------------------------------------------------------------------------------------------


def folded(*events: tuple[EntityEvent, datetime]) -> tuple[Timeline, list[Change]]:
    timeline, changes = EMPTY, list[Change]()
    for version, (event, at) in enumerate(events, start=1):
        timeline, changes = fold(timeline, record(event, version, day(100 + version), at))
    return timeline, changes


def test_a_forward_change_of_the_name_costs_one_row_closed_and_one_opened() -> None:
    _, changes = folded((JOHN, day(1)), (EntityRevised(display_name="Jane"), day(5)))
    assert [type(change) for change in changes] == [Closed, Opened]
    assert (changes[0].row.valid_to, changes[1].row.valid_from) == (day(5), day(5))


def test_a_change_of_a_detail_alone_starts_no_entity_version() -> None:
    timeline, changes = folded((JOHN, day(1)), (EntityRevised(details={"EMAIL": "j@example.com"}), day(5)))
    assert {type(change.row) for change in changes} == {DetailVersion}
    assert timeline.entity_row is not None
    assert timeline.entity_row.valid_from == day(1)


def test_the_same_value_again_moves_no_row_and_leaves_its_instant() -> None:
    timeline, changes = folded((JOHN, day(1)), (EntityRevised(display_name="John"), day(5)))
    assert [type(change) for change in changes] == [Reasserted]
    assert timeline.entity_row is not None
    assert (timeline.entity_row.valid_from, timeline.entity_row.asserted_to) == (day(1), day(5))


def test_values_go_on_underneath_a_retirement() -> None:
    timeline, changes = folded((JOHN, day(1)), (EntityRetired(), day(5)), (EntityReopened(), day(7)))
    assert [(type(c), c.row.valid_from) for c in changes] == [(Opened, day(7)), (Opened, day(7))]
    assert (timeline.display_name, timeline.details) == ("John", {"EMAIL": "john@example.com"})


def test_a_detail_that_changes_while_the_entity_is_retired_shows_when_it_is_reopened() -> None:
    change = EntityRevised(details={"EMAIL": "new@example.com"})
    timeline, _ = folded((JOHN, day(1)), (EntityRetired(), day(5)), (change, day(6)), (EntityReopened(), day(7)))
    assert timeline.detail_rows["EMAIL"].detail_value == "new@example.com"


def test_one_group_may_change_before_another_groups_last_change() -> None:
    timeline, _ = folded(
        (JOHN, day(1)), (EntityRevised(display_name="Jane"), day(9)), (EntityRevised(details={"PHONE": "1"}), day(5))
    )
    assert timeline.detail_rows["PHONE"].valid_from == day(5)


def test_a_retirement_must_be_later_than_the_last_change_of_every_detail() -> None:
    with pytest.raises(NotForward, match=r"details\.PHONE is asserted up to 2024-01-09"):
        folded((JOHN, day(1)), (EntityRevised(details={"PHONE": "1"}), day(9)), (EntityRetired(), day(9)))


@pytest.mark.parametrize(
    ("event", "version"),
    [(JOHN, 2), (EntityRetired(), 1), (EntityRetired(), 3), (TypeActivated(Kind.ENTITY, "PERSON"), 2)],
    ids=["registered twice", "version repeated", "version skipped", "an event of the registry"],
)
def test_what_cannot_come_next_cannot_be_folded(event: Any, version: int) -> None:
    timeline, _ = folded((JOHN, day(1)))
    with pytest.raises(CannotFold) as refusal:
        fold(timeline, record(event, version, day(200)))
    assert type(refusal.value) is CannotFold


def test_an_entity_starts_by_being_registered() -> None:
    with pytest.raises(CannotFold, match="registered once"):
        fold(EMPTY, record(EntityRevised(display_name="Jane"), 1, day(1)))


def test_a_bounded_assertion_cannot_be_folded() -> None:
    with pytest.raises(CannotFold, match="bounded"):
        fold(EMPTY, msgspec.structs.replace(record(JOHN, 1, day(1)), effective_until=day(2)))
