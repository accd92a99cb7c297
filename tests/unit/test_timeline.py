"""The fold, one rule at a time: which rows an event moves, what it costs, and what is refused."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from msgspec.structs import replace

from shared.core.errors import CannotFold, NotForward
from shared.core.events import (
    INFINITY,
    EntityEvent,
    EntityReopened,
    EntityRetired,
    EntityRevised,
    EventCancelled,
    Kind,
    TypeActivated,
)
from shared.core.rows import Change, Closed, DetailVersion, EntityVersion, Opened, Reasserted, Superseded
from shared.core.segments import ENTITY
from shared.core.timeline import Timeline, fold, recall
from tests.given import JOHN, UID, Dated, dated, day, record

EMPTY = Timeline(entity_uid=UID)
JANE = EntityRevised(display_name="Jane")


def folded(*events: Dated) -> tuple[Timeline, list[Change]]:
    """Fold the events, recorded on day 101 and the days after it; return what the last one changed as well."""
    timeline, changes = EMPTY, list[Change]()
    for version, said in enumerate(events, start=1):
        recorded = record(
            said.event, version, day(100 + version), said.effective_at, effective_until=said.effective_until
        )
        timeline, changes = fold(timeline, recorded)
    return timeline, changes


def moved(changes: list[Change]) -> list[tuple[str, str, int, int | None]]:
    """Return the changes in short: what, the value, since which day, until which."""
    return [
        (
            type(change).__name__,
            change.row.display_name if isinstance(change.row, EntityVersion) else change.row.detail_value,
            _number(change.row.valid_from),
            None if change.row.valid_to is None else _number(change.row.valid_to),
        )
        for change in changes
    ]


def _number(instant: Any) -> int:
    return int((instant - day(0)).days)


def test_a_forward_change_of_the_name_costs_one_row_closed_and_one_opened() -> None:
    _, changes = folded(dated(day(1), JOHN), dated(day(5), JANE))
    assert moved(changes) == [("Closed", "John", 1, 5), ("Opened", "Jane", 5, None)]
    assert isinstance(changes[0], Closed)
    assert changes[0].row.valid_to_known_position == 2


def test_a_change_of_a_detail_alone_starts_no_entity_version() -> None:
    timeline, changes = folded(dated(day(1), JOHN), dated(day(5), EntityRevised(details={"EMAIL": "j@example.com"})))
    assert {type(change.row) for change in changes} == {DetailVersion}
    assert [row.valid_from for row in timeline.rows[ENTITY]] == [day(1)]


def test_the_same_value_again_moves_no_row_and_leaves_its_instant() -> None:
    timeline, changes = folded(dated(day(1), JOHN), dated(day(5), EntityRevised(display_name="John")))
    assert [type(change) for change in changes] == [Reasserted]
    (row,) = timeline.rows[ENTITY]
    assert (row.valid_from, row.asserted_to) == (day(1), day(5))


def test_a_late_fact_fills_the_gap_up_to_the_next_change_and_supersedes_only_what_it_corrects() -> None:
    late = EntityRevised(display_name="Joan")
    _, changes = folded(dated(day(1), JOHN), dated(day(9), JANE), dated(day(5), late))
    assert moved(changes) == [("Superseded", "John", 1, 9), ("Opened", "John", 1, 5), ("Opened", "Joan", 5, 9)]
    assert isinstance(changes[0], Superseded)
    assert changes[0].recorded_to_position == 3


def test_after_an_overlay_what_lies_beneath_resumes() -> None:
    _, changes = folded(dated(day(1), JOHN), dated(day(5), JANE, day(7)))
    assert moved(changes) == [("Closed", "John", 1, 5), ("Opened", "Jane", 5, 7), ("Opened", "John", 7, None)]


def test_until_infinity_overwrites_what_was_scheduled() -> None:
    scheduled = (dated(day(1), JOHN), dated(day(9), JANE))
    overwriting = EntityRevised(display_name="Joan")
    assert [row.valid_from for row in folded(*scheduled, dated(day(5), overwriting))[0].rows[ENTITY]] == [
        day(1),
        day(5),
        day(9),
    ]
    timeline, _ = folded(*scheduled, dated(day(5), overwriting, INFINITY))
    assert [(row.valid_from, row.valid_to) for row in timeline.rows[ENTITY]] == [(day(1), day(5)), (day(5), None)]


def test_what_is_cancelled_is_as_if_it_had_never_been() -> None:
    timeline, changes = folded(dated(day(1), JOHN), dated(day(5), JANE), dated(day(6), EventCancelled(UUID(int=2))))
    assert moved(changes) == [
        ("Superseded", "John", 1, 5),
        ("Superseded", "Jane", 5, None),
        ("Opened", "John", 1, None),
    ]
    assert (timeline.change_points, timeline.cancelled) == (4, frozenset({UUID(int=2)}))


def test_values_go_on_underneath_a_retirement() -> None:
    _, changes = folded(dated(day(1), JOHN), dated(day(5), EntityRetired()), dated(day(7), EntityReopened()))
    assert moved(changes) == [("Opened", "John", 7, None), ("Opened", "john@example.com", 7, None)]


def test_a_detail_that_changes_while_the_entity_is_retired_shows_when_it_is_reopened() -> None:
    change = EntityRevised(details={"EMAIL": "new"})
    retired = (dated(day(1), JOHN), dated(day(5), EntityRetired()), dated(day(6), change))
    assert folded(*retired)[1] == []
    _, changes = folded(*retired, dated(day(7), EntityReopened()))
    assert moved(changes) == [("Opened", "John", 7, None), ("Opened", "new", 7, None)]


def test_a_detail_asserted_beyond_a_retirement_is_cut_to_existence() -> None:
    phone = EntityRevised(details={"PHONE": "1"})
    _, changes = folded(dated(day(1), JOHN), dated(day(3), phone, day(9)), dated(day(5), EntityRetired()))
    assert moved(changes) == [
        ("Closed", "John", 1, 5),
        ("Closed", "john@example.com", 1, 5),
        ("Superseded", "1", 3, 9),
        ("Opened", "1", 3, 5),
    ]


def test_an_entity_starts_at_its_first_existence() -> None:
    earlier = EntityReopened(display_name="Jo", entity_type="PERSON")
    assert folded(dated(day(5), JOHN), dated(day(9), EntityRetired()))[0].registered_at == day(5)
    assert folded(dated(day(5), JOHN), dated(day(2), earlier))[0].registered_at == day(2)
    cancelled = folded(dated(day(5), JOHN), dated(day(2), earlier), dated(day(9), EventCancelled(UUID(int=1))))
    assert cancelled[0].registered_at == day(2)


def test_an_entity_knows_what_is_still_to_come_and_what_has_come() -> None:
    timeline, _ = folded(dated(day(1), JOHN), dated(day(50), JANE, day(200)))
    assert (timeline.change_points, timeline.schedule) == (6, (day(200),))
    assert [timeline.due(day(n)) for n in (102, 199, 200)] == [5, 5, 6]


def test_the_open_row_is_enough_for_what_is_later_than_all_that_it_tells() -> None:
    timeline, _ = folded(dated(day(1), JOHN), dated(day(5), EntityRevised(display_name="John")))
    hot = replace(timeline, fields=None)
    _, changes = fold(hot, record(JANE, 3, day(103), day(6)))
    assert moved(changes) == [("Closed", "John", 1, 6), ("Opened", "Jane", 6, None)]


@pytest.mark.parametrize(
    "said",
    [
        dated(day(5), JANE),
        dated(day(3), JANE),
        dated(day(9), JANE, day(12)),
        dated(day(9), EventCancelled(UUID(int=2))),
        dated(day(9), EntityRevised(details={"PHONE": "1"})),
    ],
    ids=["as early", "earlier", "bounded", "a cancellation", "a detail without an open row"],
)
def test_the_open_rows_are_not_enough_for_what_is_not_later_or_not_told_by_them(said: Dated) -> None:
    timeline, _ = folded(dated(day(1), JOHN), dated(day(5), EntityRevised(display_name="John")))
    recorded = record(said.event, 3, day(103), said.effective_at, effective_until=said.effective_until)
    with pytest.raises(NotForward):
        fold(replace(timeline, fields=None), recorded)


def test_an_entity_is_recalled_from_its_events_and_rows() -> None:
    events = [record(JOHN, 1, day(1)), record(JANE, 2, day(5))]
    timeline, _ = fold(fold(EMPTY, events[0])[0], events[1])
    assert recall(UID, events, timeline.rows) == timeline


@pytest.mark.parametrize(
    ("event", "version"),
    [
        (JOHN, 2),
        (EntityRetired(), 1),
        (EntityRetired(), 3),
        (TypeActivated(Kind.ENTITY, "PERSON"), 2),
        (EventCancelled(UUID(int=9)), 2),
    ],
    ids=["registered twice", "version repeated", "version skipped", "an event of the registry", "cancels nothing"],
)
def test_what_cannot_come_next_cannot_be_folded(event: Any, version: int) -> None:
    timeline, _ = folded(dated(day(1), JOHN))
    with pytest.raises(CannotFold) as refusal:
        fold(timeline, record(event, version, day(200)))
    assert type(refusal.value) is CannotFold


def test_an_event_is_cancelled_once() -> None:
    with pytest.raises(CannotFold, match="nothing stands"):
        folded(dated(day(1), JOHN), dated(day(5), JANE), *[dated(day(6), EventCancelled(UUID(int=2)))] * 2)


@pytest.mark.parametrize("event", [JANE, EntityRetired(), EntityReopened(), EventCancelled(UUID(int=1))])
def test_an_entity_starts_by_being_registered(event: EntityEvent) -> None:
    with pytest.raises(CannotFold, match="registered once"):
        fold(EMPTY, record(event, 1, day(1)))


def test_changes_come_entity_first_then_details_and_what_ends_before_what_opens() -> None:
    everything = EntityRevised("Jane", "INSTITUTION", {"PHONE": "1", "EMAIL": "e"})
    _, changes = folded(dated(day(1), JOHN), dated(day(5), everything))
    assert [(type(c), getattr(c.row, "detail_type", None)) for c in changes] == [
        (Closed, None),
        (Opened, None),
        (Closed, "EMAIL"),
        (Opened, "EMAIL"),
        (Opened, "PHONE"),
    ]
