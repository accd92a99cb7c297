"""decide: what holds of every command in every state that commands can lead to."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

from hypothesis import given as examples
from hypothesis import settings
from hypothesis import strategies as st
from msgspec import UNSET
from msgspec.structs import replace

from shared.core.assertions import assertions
from shared.core.errors import CockpitError
from shared.core.events import INFINITY, EntityRevised
from shared.core.segments import has_gap
from tests.given import Given, Outcome, given
from write_side import known
from write_side.entity import Cancel, Command, Register, Reopen, Replace, Retire, Revise

DAY = timedelta(days=1)
names = st.sampled_from(["A", "B"])
kinds = st.sampled_from(["PERSON", "INSTITUTION"])
codes = st.sampled_from(["EMAIL", "PHONE"])
whole = {"display_name": names, "entity_type": kinds, "details": st.dictionaries(codes, names)}
partial: dict[str, st.SearchStrategy[Any]] = {
    "display_name": st.just(UNSET) | names,
    "entity_type": st.just(UNSET) | kinds,
    "details": st.dictionaries(codes, st.none() | names),
}
ages = st.sampled_from([None, None, 0, 0, 1, 2, 8, -3])  # days before now; None: undated
lengths = st.sampled_from([None, None, None, 1, 3, 9, INFINITY])  # days that it holds
intents = st.tuples(
    st.sampled_from([Revise, Revise, Replace, Retire, Reopen, Reopen, Register, Cancel]),
    st.fixed_dictionaries(whole),
    st.fixed_dictionaries(partial),
    ages,
    lengths,
    st.integers(1, 7),
)


def _command(state: Given, intent: tuple[type[Command], dict[str, Any], dict[str, Any], Any, Any, int]) -> Command:
    cls, all_of_it, some_of_it, age, length, number = intent
    if cls is Cancel:
        return Cancel(event_id=UUID(int=number))
    at = None if age is None else state.now - timedelta(days=age)
    until = (at or state.now) + timedelta(days=length) if isinstance(length, int) else length
    said = {Register: all_of_it, Replace: all_of_it, Revise: some_of_it, Reopen: some_of_it, Retire: {}}[cls]
    return cls(**said, effective_at=at, effective_until=until)  # type: ignore[call-arg]  # Cancel is seen to above


@st.composite
def outcomes(draw: st.DrawFn) -> Outcome:
    """A command that comes to an entity that was registered, and then went through some commands or refused them."""
    registered = _command(given(), (Register, draw(st.fixed_dictionaries(whole)), {}, draw(ages), draw(lengths), 1))
    state = given().when(registered).recorded()
    for intent in draw(st.lists(intents, max_size=6)):
        outcome = state.when(_command(state, intent))
        state = state if outcome.error else outcome.recorded()
    return state.when(_command(state, draw(intents)))


@settings(max_examples=200)
@examples(outcomes())
def test_a_command_is_refused_by_name_or_makes_one_event_at_most_which_can_be_folded(outcome: Outcome) -> None:
    assert len(outcome.events) <= 1
    if outcome.error is None:
        assert outcome.recorded().entity.version == outcome.given.entity.version + len(outcome.events)
    else:
        assert isinstance(outcome.error, CockpitError)
        assert str(outcome.error)


@settings(max_examples=200)
@examples(outcomes())
def test_a_command_comes_to_the_same_where_the_rows_of_the_entity_are_not_at_hand(outcome: Outcome) -> None:
    bare = Given(replace(outcome.given.entity, rows={}), outcome.given.now, outcome.given.registry).when(
        outcome.command
    )
    assert bare.events == outcome.events
    assert (type(bare.error), str(bare.error)) == (type(outcome.error), str(outcome.error))


@settings(max_examples=200)
@examples(outcomes())
def test_an_accepted_command_changes_nothing_when_it_is_repeated_at_once(outcome: Outcome) -> None:
    command = outcome.command
    if outcome.error is not None or isinstance(command, Cancel):
        return
    undated_turn = isinstance(command, Retire | Reopen) and command.effective_at is None  # told: retired, or open
    another_span = command.effective_at is None and command.effective_until is not None
    ended = not known.exists(outcome.recorded().entity, command.effective_at or outcome.given.now + DAY)
    a_day = (outcome.given.now, outcome.given.now + DAY)  # within it a scheduled change may have come
    fell_due = command.effective_at is None and any(a_day[0] < at <= a_day[1] for at in outcome.given.entity.schedule)
    if not (undated_turn or another_span or ended or fell_due):
        outcome.and_again().then()


@settings(max_examples=200)
@examples(outcomes())
def test_after_an_accepted_change_the_entity_is_as_the_command_said(outcome: Outcome) -> None:
    command = outcome.command
    if outcome.error is not None or not isinstance(command, Revise | Replace):
        return
    at = command.effective_at or outcome.given.now
    before, after = outcome.given.entity, outcome.recorded().entity
    said = assertions(EntityRevised(command.display_name, command.entity_type, dict(command.details)))
    for field in ("display_name", "entity_type", "details.EMAIL", "details.PHONE"):
        untouched = None if isinstance(command, Replace) else known.value(before, field, at)
        assert known.value(after, field, at) == said.get(field, untouched)


@settings(max_examples=200)
@examples(outcomes())
def test_an_undated_event_carries_only_what_changes(outcome: Outcome) -> None:
    if not isinstance(outcome.command, Register | Cancel) and not outcome.command.is_dated:
        for event in outcome.events:
            for field, value in assertions(event).items():
                assert known.value(outcome.given.entity, field, outcome.given.now) != value


@settings(max_examples=200)
@examples(outcomes())
def test_no_accepted_command_leaves_an_existence_without_name_or_type(outcome: Outcome) -> None:
    if outcome.error is None:
        assert not has_gap(known.fields_of(outcome.recorded().entity))
