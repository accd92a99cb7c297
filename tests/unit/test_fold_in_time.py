"""The fold in two dimensions, held against an oracle that knows one point at a time, over random histories."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise
from unittest.mock import patch

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from shared.core.assertions import pieces, value_at
from shared.core.errors import NotForward
from shared.core.events import EntityRevised, Recorded
from shared.core.timeline import Timeline, fold
from shared.core.turn import Rows, Turn
from tests.given import UID
from tests.histories import Believed, as_said, grid, histories, state_in_rows
from tests.oracle_points import state


@given(histories())
def test_at_every_point_the_rows_say_what_the_oracle_says(history: Sequence[Recorded]) -> None:
    believed = Believed.after(history)
    said = as_said(history)
    for known in range(1, len(history) + 1):
        for instant in grid():
            assert state_in_rows(believed.rows, instant, known) == state(said, instant, known), (instant, known)


@given(histories())
def test_at_most_one_row_of_a_group_is_true_at_a_point_and_no_two_that_touch_are_equal(
    history: Sequence[Recorded],
) -> None:
    believed = Believed.after(history)
    for known in range(1, len(history) + 1):
        for rows in believed.groups(known):
            for before, after in pairwise(rows):
                assert before.valid_to is not None
                assert before.valid_to <= after.valid_from
                assert before.valid_to < after.valid_from or before.hashdiff != after.hashdiff


@given(histories())
def test_a_rows_id_is_its_own_and_tells_the_event_that_made_it(history: Sequence[Recorded]) -> None:
    for row, _ in Believed.after(history).rows.values():  # which finds an id that is used twice
        assert row.id >> 16 == row.recorded_from_position


@given(histories())
def test_the_open_rows_tell_all_that_is_later_than_them(history: Sequence[Recorded]) -> None:
    timeline = Timeline(entity_uid=UID)
    for recorded in history:
        rows = {g: rows[-1:] for g, rows in timeline.rows.items() if rows and rows[-1].valid_to is None}
        after, changes = fold(timeline, recorded)
        try:
            seen, same = fold(replace(timeline, fields=None, rows=rows), recorded)
        except NotForward:
            pass
        else:
            if isinstance(recorded.event, EntityRevised):
                assert same == changes
                assert (seen.change_points, seen.schedule) == (after.change_points, after.schedule)
        timeline = after


@given(histories())
def test_the_short_ways_come_to_what_a_look_at_all_that_is_asserted_comes_to(history: Sequence[Recorded]) -> None:
    class Comparing(Turn):
        def __call__(self, group: str, known: Rows) -> Rows:
            assert self._fields is not None
            return self._compare(group, known, self._fields)

    timeline = Timeline(entity_uid=UID)
    for recorded in history:
        with patch("shared.core.timeline.Turn", Comparing):
            general = fold(timeline, recorded)
        assert fold(timeline, recorded) == general
        timeline, _ = general


@given(histories(), st.sampled_from(grid()))
def test_the_sweep_is_the_rule(history: Sequence[Recorded], instant: datetime) -> None:
    timeline = Believed.after(history).timeline
    assert timeline.fields is not None
    for field in timeline.fields.values():
        swept = [
            piece.value
            for piece in pieces(field)
            if piece.start <= instant and (piece.end is None or instant < piece.end)
        ]
        assert (swept or [None]) == [value_at(field, instant)]
