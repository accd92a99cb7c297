"""What must hold of one entity's rows at every point (t, K), event by event: the invariants, each a function.

`Checked` folds each event in every way that there is, keeps every row that was ever believed, and every answer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

from msgspec.structs import replace

from shared.core.errors import NotForward
from shared.core.events import INFINITY, EntityRegistered, EntityRevised, EventCancelled, Recorded
from shared.core.rows import Change, EntityVersion, Row
from shared.core.segments import ENTITY
from shared.core.timeline import Timeline, fold, recall
from tests.given import UID
from tests.histories import Believed, as_said, state_in_rows
from tests.oracle_points import ABSENT, Said, state

State = Mapping[str, Any]


class Checked:
    """One entity: what happened, every row that was ever believed, and what was answered at each position."""

    def __init__(self) -> None:
        self.history: list[Recorded] = []
        self.believed = Believed(Timeline(entity_uid=UID))
        self.answers: dict[int, dict[datetime, State]] = {0: {}}
        self.points = 0

    @property
    def timeline(self) -> Timeline:
        return self.believed.timeline

    def append(self, recorded: Recorded) -> None:
        """Fold one more event, and hold what it leads to against all that must be so."""
        before = self.timeline
        after, changes = fold(before, recorded)
        self.history.append(recorded)
        every_way_of_folding_is_one(before, self.history, after, changes)
        self.believed.timeline = after
        self.believed.apply(changes)
        now = {row.id: row for rows in after.rows.values() for row in rows}
        assert now == {n: row for n, (row, recorded_to) in self.believed.rows.items() if recorded_to is None}
        rows_that_stay_true_are_left_alone(before, after)
        said = as_said(self.history)
        answers = self.answers[recorded.position] = {}
        for instant in instants(self.history):
            answers[instant] = self.read(instant, recorded.position)
            assert answers[instant] == state(said, instant, recorded.position), (instant, recorded.position)
        what_is_noted_is_what_was_said(after, said, recorded.recorded_at)
        for rows in self.believed.groups(recorded.position):
            rows_are_apart(rows)
        self.only_what_is_spoken_of_changes(recorded)

    def read(self, instant: datetime, position: int) -> State:
        """Return what the rows say; fails where two rows of a field speak, or a detail of what does not exist."""
        return state_in_rows(self.believed.rows, instant, position)

    def earlier_answers_are_the_same(self) -> None:
        """Appending never changes an answer for an earlier K."""
        for position, answers in list(self.answers.items())[-4:]:
            for instant, answer in answers.items():
                assert self.read(instant, position) == answer, (instant, position)

    def whole(self) -> None:
        """Hold every point against the oracle once more, of all instants there are; then fold all from the start."""
        said, grid = as_said(self.history), instants(self.history)
        for position in self.answers:
            for instant in grid:
                assert self.read(instant, position) == state(said, instant, position), (instant, position)
                self.points += 1
        assert Believed.after(self.history).rows == self.believed.rows
        for cancelled in [r for r in self.history if isinstance(r.event, EventCancelled)]:
            self.cancelled_is_never_asserted(cancelled)

    def cancelled_is_never_asserted(self, cancel: Recorded) -> None:
        """From the cancellation on, the answers are those of a life without the event that was cancelled."""
        assert isinstance(cancel.event, EventCancelled)
        kept = [r for r in self.history if cancel.event.event_id != r.event_id and r is not cancel]
        if not kept or not isinstance(kept[0].event, EntityRegistered):
            return  # a life without its registration cannot be folded; the oracle has looked at this one
        without = Believed.after([replace(r, version=n) for n, r in enumerate(kept, start=1)])
        for position in [r.position for r in self.history if r.position >= cancel.position]:
            for instant in instants(self.history):
                assert state_in_rows(without.rows, instant, position) == self.read(instant, position)

    def only_what_is_spoken_of_changes(self, recorded: Recorded) -> None:
        """An event on f changes only f, and only from its start to its bound or the next change point."""
        speaking, before = recorded, as_said(self.history[:-1])
        if isinstance(recorded.event, EventCancelled):
            (speaking,) = [r for r in self.history if r.event_id == recorded.event.event_id]
            before = [event for event in before if event.event_id != speaking.event_id]
        (said,) = as_said([speaking])
        ends = {name: end_of(said, name, before) for name in said.fields}
        for instant in instants(self.history):
            old, new = self.read(instant, recorded.position - 1), self.read(instant, recorded.position)
            if (old is ABSENT) != (new is ABSENT):
                changed = {"exists"}
            else:
                changed = {name for name in old.keys() | new.keys() if old.get(name) != new.get(name)}
            for name in changed:
                assert name in ends, (name, instant)
                end = ends[name]
                assert said.at <= instant, (name, instant)
                assert end is None or instant < end, (name, instant)


def instants(history: Sequence[Recorded]) -> list[datetime]:
    """Return every instant that was spoken of, and one before them all: in between nothing can change."""
    spoken_of = {r.effective_at for r in history} | {
        r.effective_until for r in history if isinstance(r.effective_until, datetime)
    }
    return [min(spoken_of) - timedelta(days=1), *sorted(spoken_of)] if spoken_of else []


def end_of(said: Said, name: str, others: Sequence[Said]) -> datetime | None:
    """Return where what is said of a field ends at the latest; None where it may go on for ever."""
    if said.until is not None:
        return said.until if isinstance(said.until, datetime) else None
    cancelled = {event.cancels for event in others}
    points = [
        e for e in others if name in e.fields and not isinstance(e.until, datetime) and e.event_id not in cancelled
    ]
    overwriting = [e for e in points if e.until == INFINITY]
    standing = [p for p in points if not any(o.position > p.position and o.at < p.at for o in overwriting)]
    return min((point.at for point in standing if point.at > said.at), default=None)


def every_way_of_folding_is_one(
    before: Timeline, history: Sequence[Recorded], after: Timeline, changes: Sequence[Change]
) -> None:
    """Whether all was at hand, was recalled, or only the open rows were: batches do not matter."""
    *earlier, recorded = history
    assert fold(recall(UID, earlier, before.rows), recorded) == (after, changes)
    open_rows = {group: rows[-1:] for group, rows in before.rows.items() if rows and rows[-1].valid_to is None}
    if isinstance(recorded.event, EntityRevised):  # what the open rows are enough for
        try:
            hot, same = fold(replace(before, fields=None, rows=open_rows), recorded)
        except NotForward:
            return
        assert same == changes
        assert (hot.change_points, hot.schedule) == (after.change_points, after.schedule)


def rows_that_stay_true_are_left_alone(before: Timeline, after: Timeline) -> None:
    """A row whose content, start and end are wanted again is the same; one that was open may have got an end."""
    old, new = (
        {(group, row.valid_from, row.hashdiff): row for group, rows in timeline.rows.items() for row in rows}
        for timeline in (before, after)
    )
    for key in old.keys() & new.keys():
        stays = old[key].valid_to in {None, new[key].valid_to}
        assert (old[key].id == new[key].id) == stays, key


def rows_are_apart(rows: Sequence[Row]) -> None:
    """At most one row of a field is true at a time; two that touch differ, in content and in hash alike."""
    for row, following in pairwise(rows):
        assert row.valid_to is not None
        assert row.valid_from < row.valid_to <= following.valid_from
        assert (row.hashdiff == following.hashdiff) == (content(row) == content(following))
        assert row.valid_to < following.valid_from or row.hashdiff != following.hashdiff


def content(row: Row) -> tuple[str, str]:
    """Return what a row says."""
    if isinstance(row, EntityVersion):
        return row.display_name, row.entity_type
    return row.detail_type, row.detail_value


def what_is_noted_is_what_was_said(timeline: Timeline, said: Sequence[Said], now: datetime) -> None:
    """The open rows tell the last instant of their group; the head counts change points and lists what is to come."""
    cancelled = {event.cancels for event in said}
    standing = [(name, event) for event in said if event.event_id not in cancelled for name in event.fields]
    spoken_of = [(name, at) for name, e in standing for at in (e.at, e.until) if isinstance(at, datetime)]
    assert timeline.change_points == len(spoken_of)
    assert timeline.schedule == tuple(sorted(at for _, at in spoken_of if at > now))
    starts = [event.at for name, event in standing if name == "exists" and event.fields[name]]
    assert timeline.registered_at == min(starts, default=None)
    for group, rows in timeline.rows.items():
        columns = {"exists", "display_name", "entity_type"} if group == ENTITY else {"exists", group}
        last = max((at for name, at in spoken_of if name in columns), default=None)
        assert [row.asserted_to for row in rows if row.valid_to is None] in ([], [last])
        assert all(row.asserted_to is None for row in rows if row.valid_to is not None)
