"""The difference between two instants, against states kept the naive way: one snapshot of the entity an instant."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from read_side import steps as path
from read_side.beliefs import Span, Told, Value, absent, span_of_detail, spans_of_entity
from read_side.steps import Points, Step

ORIGIN = datetime(2024, 1, 1, tzinfo=UTC)
KNOWN = 7

State = dict[str, Value]
History = list[tuple[datetime, State]]


def day(number: int) -> datetime:
    return ORIGIN + timedelta(days=number)


def told(start: datetime, end: datetime | None) -> Told:
    """Return where a row stands that one event made and ended: nothing was ever believed otherwise."""
    return Told(start, end, KNOWN, None if end is None else KNOWN)


def entity(name: str, kind: str, start: int, end: int | None = None) -> tuple[Span, ...]:
    return spans_of_entity(name, kind, told(day(start), None if end is None else day(end)))


def detail(code: str, value: str, start: int, end: int | None = None) -> Span:
    return span_of_detail(code, value, told(day(start), None if end is None else day(end)))


def steps(spans: Iterable[Span], start: datetime, end: datetime) -> list[Step]:
    return path.steps(spans, Points(start, end, KNOWN, KNOWN))


def net(spans: Iterable[Span], start: datetime, end: datetime) -> list[Step]:
    return path.net(spans, Points(start, end, KNOWN, KNOWN))


def step(field: str, before: Value, after: Value, instant: datetime) -> Step:
    return Step(field, before, after, KNOWN, instant)


def rows(history: History, fields: tuple[str, ...]) -> list[dict[str, Any]]:
    """Return the stretches on which the fields stay the same, as the tables hold them."""
    found: list[dict[str, Any]] = []
    for at, state in history:
        values = {field: state[field] for field in fields if field in state}
        if found and found[-1]["end"] is None:
            if found[-1]["values"] == values:
                continue
            found[-1]["end"] = at
        if values:
            found.append({"values": values, "start": at, "end": None})
    return found


def spans(history: History) -> list[Span]:
    found: list[Span] = []
    for row in rows(history, ("exists", "display_name", "entity_type")):
        values = row["values"]
        found += spans_of_entity(values["display_name"], values["entity_type"], told(row["start"], row["end"]))
    for code in ("EMAIL", "PHONE"):
        for row in rows(history, (f"details.{code}",)):
            found.append(span_of_detail(code, row["values"][f"details.{code}"], told(row["start"], row["end"])))
    return found


def state_at(history: History, at: datetime) -> State:
    now: State = {}
    for instant, state in history:
        if instant <= at:
            now = state
    return now


def applied(state: State, changes: list[Step]) -> State:
    """Return the state after the steps, each of which must begin where the state is."""
    state = dict(state)
    for change in changes:
        assert state.get(change.field, absent(change.field)) == change.before
        assert change.before != change.after
        if change.after == absent(change.field):
            del state[change.field]
        else:
            state[change.field] = change.after
    return state


VALUES: dict[str, st.SearchStrategy[Value]] = {
    "exists": st.just(True),
    "display_name": st.sampled_from("AB"),
    "entity_type": st.sampled_from("PI"),
}
DETAILS: dict[str, st.SearchStrategy[Value]] = {
    "details.EMAIL": st.sampled_from("xy"),
    "details.PHONE": st.sampled_from("xy"),
}
nothing: st.SearchStrategy[State] = st.just({})
states: st.SearchStrategy[State] = st.one_of(nothing, st.fixed_dictionaries(VALUES, optional=DETAILS))


@st.composite
def histories_of(draw: st.DrawFn) -> History:
    found = draw(st.lists(states, max_size=8))
    numbers = draw(st.lists(st.integers(0, 20), min_size=len(found), max_size=len(found), unique=True))
    return list(zip(map(day, sorted(numbers)), found, strict=True))


histories = histories_of()
days = st.integers(-1, 21).map(day)


@given(histories, days, days)
def test_the_net_difference_takes_one_state_to_the_other(history: History, a: datetime, b: datetime) -> None:
    start, end = sorted((a, b))
    assert applied(state_at(history, start), net(spans(history), start, end)) == state_at(history, end)


@given(histories, days, days)
def test_the_steps_one_by_one_take_one_state_to_the_other(history: History, a: datetime, b: datetime) -> None:
    start, end = sorted((a, b))
    assert applied(state_at(history, start), steps(spans(history), start, end)) == state_at(history, end)


@given(histories, days, days)
def test_each_field_is_in_the_net_difference_once_at_its_last_step(history: History, a: datetime, b: datetime) -> None:
    start, end = sorted((a, b))
    last = {change.field: change.instant for change in steps(spans(history), start, end)}
    found = net(spans(history), start, end)
    assert len({change.field for change in found}) == len(found)
    assert all(last[change.field] == change.instant for change in found)


@given(histories, days, days)
def test_every_step_lies_after_the_start_and_not_after_the_end(history: History, a: datetime, b: datetime) -> None:
    start, end = sorted((a, b))
    assert all(
        change.instant is not None and start < change.instant <= end for change in steps(spans(history), start, end)
    )


@given(histories, days, days, days)
def test_the_steps_of_two_windows_that_meet_are_those_of_the_whole(
    history: History, a: datetime, b: datetime, c: datetime
) -> None:
    start, middle, end = sorted((a, b, c))
    of = spans(history)
    assert steps(of, start, middle) + steps(of, middle, end) == steps(of, start, end)


@given(histories, days)
def test_nothing_differs_from_itself(history: History, at: datetime) -> None:
    assert steps(spans(history), at, at) == net(spans(history), at, at) == []


@given(histories, days, days)
def test_only_rows_that_meet_the_window_matter(history: History, a: datetime, b: datetime) -> None:
    start, end = sorted((a, b))
    met = [
        span
        for span in spans(history)
        if span.told.valid_from <= end and (span.told.valid_to is None or span.told.valid_to > start)
    ]
    assert steps(met, start, end) == steps(spans(history), start, end)


def test_an_entity_that_begins_has_everything_from_nothing() -> None:
    assert net([*entity("Acme", "INSTITUTION", 5), detail("EMAIL", "a@x", 5)], day(0), day(9)) == [
        step("exists", False, True, day(5)),
        step("display_name", None, "Acme", day(5)),
        step("entity_type", None, "INSTITUTION", day(5)),
        step("details.EMAIL", None, "a@x", day(5)),
    ]


def test_an_entity_that_is_retired_has_nothing_left() -> None:
    assert net([*entity("Acme", "INSTITUTION", 0, 5), detail("EMAIL", "a@x", 0, 5)], day(1), day(9)) == [
        step("exists", True, False, day(5)),
        step("display_name", "Acme", None, day(5)),
        step("entity_type", "INSTITUTION", None, day(5)),
        step("details.EMAIL", "a@x", None, day(5)),
    ]


def test_a_row_that_turns_for_the_type_alone_says_nothing_of_the_name() -> None:
    of = [*entity("Acme", "PERSON", 0, 5), *entity("Acme", "INSTITUTION", 5)]
    assert (
        net(of, day(1), day(9)) == steps(of, day(1), day(9)) == [step("entity_type", "PERSON", "INSTITUTION", day(5))]
    )


def test_what_came_back_is_two_steps_and_no_net_difference() -> None:
    of = [*entity("A", "P", 0, 3), *entity("B", "P", 3, 5), *entity("A", "P", 5)]
    assert net(of, day(1), day(9)) == []
    assert steps(of, day(1), day(9)) == [
        step("display_name", "A", "B", day(3)),
        step("display_name", "B", "A", day(5)),
    ]


def test_a_retired_entity_that_came_back_is_no_net_difference() -> None:
    of = [*entity("A", "P", 0, 3), *entity("A", "P", 5)]
    assert net(of, day(1), day(9)) == []
    assert [change.field for change in steps(of, day(1), day(9))] == ["exists", "display_name", "entity_type"] * 2


def test_the_window_leaves_its_start_out_and_takes_its_end_in() -> None:
    of = [*entity("A", "P", 0, 3), *entity("B", "P", 3)]
    assert net(of, day(3), day(9)) == []
    assert net(of, day(0), day(3)) == [step("display_name", "A", "B", day(3))]


def test_several_changes_of_a_field_are_one_at_the_instant_of_the_last() -> None:
    of = [*entity("A", "P", 0, 3), *entity("B", "P", 3, 4), *entity("C", "P", 4)]
    assert net(of, day(1), day(9)) == [step("display_name", "A", "C", day(4))]


def test_details_come_last_by_type() -> None:
    of = [*entity("A", "P", 3), detail("WEBSITE", "w", 3), detail("ADDRESS", "a", 3)]
    assert [change.field for change in net(of, day(0), day(9))] == [
        "exists",
        "display_name",
        "entity_type",
        "details.ADDRESS",
        "details.WEBSITE",
    ]
