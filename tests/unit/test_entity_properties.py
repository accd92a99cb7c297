"""decide: what holds of every command in every state that commands can lead to."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from hypothesis import given as examples
from hypothesis import settings
from hypothesis import strategies as st
from msgspec import UNSET

from shared.core.errors import CockpitError
from shared.core.events import EntityRevised
from shared.core.timeline import assertions
from tests.given import Given, Outcome, given
from write_side.entity import Command, Register, Reopen, Replace, Retire, Revise

names = st.sampled_from(["A", "B"])
kinds = st.sampled_from(["PERSON", "INSTITUTION"])
codes = st.sampled_from(["EMAIL", "PHONE"])
whole = {"display_name": names, "entity_type": kinds, "details": st.dictionaries(codes, names)}
partial: dict[str, st.SearchStrategy[Any]] = {
    "display_name": st.just(UNSET) | names,
    "entity_type": st.just(UNSET) | kinds,
    "details": st.dictionaries(codes, st.none() | names),
}
ages = st.sampled_from([None, None, 0, 0, 1, 2, 8])  # days before now; None: undated
intents = st.tuples(
    st.sampled_from([Revise, Revise, Replace, Retire, Reopen, Reopen, Register]),
    st.fixed_dictionaries(whole),
    st.fixed_dictionaries(partial),
    ages,
)


def _command(state: Given, intent: tuple[type[Command], dict[str, Any], dict[str, Any], int | None]) -> Command:
    cls, all_of_it, some_of_it, age = intent
    at = None if age is None else state.now - timedelta(days=age)
    said = {Register: all_of_it, Replace: all_of_it, Revise: some_of_it, Reopen: some_of_it, Retire: {}}[cls]
    return cls(**said, effective_at=at)


@st.composite
def outcomes(draw: st.DrawFn) -> Outcome:
    """A command that comes to an entity that was registered, and then went through some commands or refused them."""
    registered = _command(given(), (Register, draw(st.fixed_dictionaries(whole)), {}, draw(ages)))
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
        assert outcome.recorded().entity.timeline.version == outcome.given.entity.timeline.version + len(outcome.events)
    else:
        assert isinstance(outcome.error, CockpitError)
        assert str(outcome.error)


@settings(max_examples=200)
@examples(outcomes())
def test_an_accepted_command_changes_nothing_when_it_is_repeated_at_once(outcome: Outcome) -> None:
    undated_turn = isinstance(outcome.command, Retire | Reopen) and outcome.command.effective_at is None
    if outcome.error is None and not undated_turn:  # those are told what is so: retired, or open
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
        untouched = None if isinstance(command, Replace) else before.at(field, at)
        assert after.at(field, at) == said.get(field, untouched)


@settings(max_examples=200)
@examples(outcomes())
def test_an_undated_event_carries_only_what_changes(outcome: Outcome) -> None:
    if outcome.command.effective_at is None and not isinstance(outcome.command, Register):
        for event in outcome.events:
            for field, value in assertions(event).items():
                assert outcome.given.entity.at(field, outcome.given.now) != value
