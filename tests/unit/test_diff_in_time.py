"""The difference between two points of two-dimensional time, against an oracle that knows one point at a time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from read_side.beliefs import Span, Told, Value, absent, span_of_detail, spans_of_entity
from read_side.steps import BEGINNING, Points, Rectangle, Step, field_order, net, rectangles, steps
from shared.core.events import Recorded
from shared.core.rows import EntityVersion
from tests.given import day
from tests.histories import DAYS, Believed, as_said, grid, histories
from tests.oracle_points import state

History = Sequence[Recorded]
FIELDS = ("exists", "display_name", "entity_type", "details.EMAIL", "details.FAX")
JUST_BEFORE = timedelta(hours=1)

days = st.integers(0, DAYS + 3)
positions = st.integers(0, 9)


def spans(history: History) -> list[Span]:
    found: list[Span] = []
    for row, recorded_to in Believed.after(history).rows.values():
        told = Told(row.valid_from, row.valid_to, row.recorded_from_position, row.valid_to_known_position, recorded_to)
        if isinstance(row, EntityVersion):
            found += spans_of_entity(row.display_name, row.entity_type, told)
        else:
            found.append(span_of_detail(row.detail_type, row.detail_value, told))
    return found


def fields(history: History, instant: datetime, known: int) -> dict[str, Value]:
    """Return what the oracle says of an instant as known at a position, the entity's existence beside its fields."""
    found = dict(state(as_said(history), instant, known))
    return {"exists": True, **found} if found else {}


def value(history: History, field: str, instant: datetime, known: int) -> Value:
    return fields(history, instant, known).get(field, absent(field))


def applied(before: Mapping[str, Value], changes: Iterable[Step]) -> dict[str, Value]:
    """Return the state after the steps, each of which must begin where the state is, and change it."""
    after = dict(before)
    for change in changes:
        assert after.pop(change.field, absent(change.field)) == change.before != change.after
        if change.after != absent(change.field):
            after[change.field] = change.after
    return after


def two(a: int, b: int, known_a: int, known_b: int) -> Points:
    (start, end), (known_from, known_to) = sorted((a, b)), sorted((known_a, known_b))
    return Points(day(start), day(end), known_from, known_to)


def all_of_valid_time(known_a: int, known_b: int) -> Points:
    return Points(BEGINNING, None, *sorted((known_a, known_b)))


some_points = st.builds(two, days, days, positions, positions)
everywhere = st.builds(all_of_valid_time, positions, positions)


def ends(history: History, points: Points) -> tuple[dict[str, Value], dict[str, Value]]:
    assert points.end is not None
    return fields(history, points.start, points.known_from), fields(history, points.end, points.known_to)


@given(histories(), some_points)
def test_the_net_difference_takes_one_point_to_the_other_and_back(history: History, points: Points) -> None:
    before, after = ends(history, points)
    found = net(spans(history), points)
    assert applied(before, found) == after
    back = [Step(step.field, step.after, step.before, step.position) for step in found]
    assert applied(after, back) == before
    assert [step.field for step in found] == sorted({step.field for step in found}, key=field_order)


@given(histories(), some_points)
def test_the_steps_of_the_path_join_to_the_net_difference(history: History, points: Points) -> None:
    before, after = ends(history, points)
    path = steps(spans(history), points)
    assert applied(before, path) == after
    last = {step.field: step for step in path}
    for step in net(spans(history), points):
        assert (step.position, step.instant) == (last[step.field].position, last[step.field].instant)


@given(histories(), some_points)
def test_a_point_does_not_differ_from_itself(history: History, points: Points) -> None:
    same = Points(points.start, points.start, points.known_to, points.known_to)
    assert [*steps(spans(history), same), *net(spans(history), same), *rectangles(spans(history), same)] == []


@given(histories(), st.lists(days, min_size=3, max_size=3), st.lists(positions, min_size=3, max_size=3))
def test_two_differences_that_meet_are_the_whole(history: History, at: list[int], known: list[int]) -> None:
    of = spans(history)
    a, b, c = sorted(at)
    k, m, n = sorted(known)
    first, second = net(of, two(a, b, k, m)), net(of, two(b, c, m, n))
    whole = net(of, two(a, c, k, n))
    start = fields(history, day(a), k)
    assert applied(applied(start, first), second) == applied(start, whole)


@given(histories(), st.builds(two, st.shared(days, key="at"), st.shared(days, key="at"), positions, positions))
def test_along_recorded_time_there_is_a_step_for_each_event_that_changed_what_was_believed(
    history: History, points: Points
) -> None:
    expected = [
        Step(field, before, after, position)
        for position in range(points.known_from + 1, points.known_to + 1)
        for field in FIELDS
        if (before := value(history, field, points.start, position - 1))
        != (after := value(history, field, points.start, position))
    ]
    assert steps(spans(history), points) == expected


@given(histories(), st.builds(two, days, days, st.shared(positions, key="known"), st.shared(positions, key="known")))
def test_along_valid_time_a_step_names_the_event_since_which_its_value_is_believed_to_begin_there(
    history: History, points: Points
) -> None:
    for step in steps(spans(history), points):
        assert step.instant is not None
        earlier = step.instant - JUST_BEFORE
        position = points.known_to
        while (
            value(history, step.field, step.instant, position - 1) == step.after
            and value(history, step.field, earlier, position - 1) != step.after
        ):
            position -= 1
        assert step.position == min(position, len(history))


@given(histories(most=6), some_points | everywhere)
def test_the_rectangles_are_where_two_beliefs_differ(history: History, points: Points) -> None:
    found = rectangles(spans(history), points)
    for instant in [*grid(), day(DAYS + 2), day(DAYS + 3)]:
        within = points.start <= instant and (points.end is None or instant < points.end)
        for field in FIELDS:
            before = value(history, field, instant, points.known_from)
            after = value(history, field, instant, points.known_to)
            meeting = [(r.before, r.after) for r in found if r.field == field and covers(r, instant)]
            assert meeting == ([(before, after)] if within and before != after else [])


def covers(rectangle: Rectangle, instant: datetime) -> bool:
    return rectangle.valid_from <= instant and (rectangle.valid_to is None or instant < rectangle.valid_to)


@given(histories(most=6), everywhere)
def test_a_rectangle_names_the_last_event_that_changed_what_was_believed_in_it(
    history: History, points: Points
) -> None:
    for rectangle in rectangles(spans(history), points):
        for instant in [at for at in grid() if covers(rectangle, at)]:
            told: list[Any] = [value(history, rectangle.field, instant, known) for known in range(10)]
            changed = [p for p in range(points.known_from + 1, points.known_to + 1) if told[p] != told[p - 1]]
            assert rectangle.position == changed[-1]


@given(histories(), everywhere)
def test_no_two_rectangles_could_be_one(history: History, points: Points) -> None:
    found = rectangles(spans(history), points)
    ends = {(r.field, r.before, r.after, r.position, r.valid_to) for r in found}
    assert not ends & {(r.field, r.before, r.after, r.position, r.valid_from) for r in found}


@given(histories(), some_points, st.integers(0, 9))
def test_what_was_told_later_changes_nothing(history: History, points: Points, more: int) -> None:
    then = Points(points.start, points.end, min(points.known_from, more), min(points.known_to, more))
    assert steps(spans(history), then) == steps(spans(history[:more]), then)
    assert rectangles(spans(history), then) == rectangles(spans(history[:more]), then)
