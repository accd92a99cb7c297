"""The check of the fold in two dimensions: commands at random, and after each what must hold of every point (t, K).

A history is what one entity goes through; a point is one instant of valid time as known at one position, held against
the second opinion of `oracle_points.py`. `python -m tests.time_check` runs it alone, without a database.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, ClassVar
from uuid import UUID

from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from msgspec import UNSET

from shared.core.errors import CockpitError
from shared.core.events import INFINITY, EventCancelled
from tests.given import REGISTRY, day, record
from tests.oracle_points import ABSENT
from tests.time_points import Checked, State
from write_side import entity as entities
from write_side import known
from write_side.entity import Cancel, Command, Register, Reopen, Replace, Retire, Revise

START = 10
"""The day of the first command; what is dated is so from some days before to some days after the command."""
STEPS = 16
"""Commands to one entity at the most."""

names, kinds = st.sampled_from("AB"), st.sampled_from(["PERSON", "INSTITUTION"])
codes, values = st.sampled_from(["EMAIL", "PHONE"]), st.sampled_from(["", "a", "b"])
wholes = st.fixed_dictionaries(
    {"display_name": names, "entity_type": kinds, "details": st.dictionaries(codes, values, max_size=2)}
)
parts = st.fixed_dictionaries(
    {
        "display_name": st.just(UNSET) | names,
        "entity_type": st.just(UNSET) | kinds,
        "details": st.dictionaries(codes, st.none() | values, max_size=2),
    }
)
starts = st.sampled_from([None, None, None, -6, -5, -4, -3, -2, -1, 0, 1, 2, 3, 5])
lengths = st.sampled_from([None, None, None, None, INFINITY, 1, 2, 3, 5, 8])


@dataclass
class Counts:
    """What was checked."""

    histories: int = 0
    points: int = 0
    events: int = 0
    refused: int = 0
    overlays: int = 0
    cancels: int = 0
    reopenings: int = 0

    def add(self, checked: Checked, refused: int) -> None:
        """Count one history."""
        self.histories += 1
        self.points += checked.points
        self.events += len(checked.history)
        self.refused += refused
        self.overlays += any(r.effective_until not in {None, INFINITY} for r in checked.history)
        self.cancels += any(isinstance(r.event, EventCancelled) for r in checked.history)
        self.reopenings += any(type(r.event).__name__ == "EntityReopened" for r in checked.history)

    def __str__(self) -> str:
        shares = ", ".join(
            f"{name} in {getattr(self, name) / max(self.histories, 1):.0%}"
            for name in ("overlays", "cancels", "reopenings")
        )
        return (
            f"{self.histories} histories, {self.points} points: {shares}; {self.events} events,"
            f" {self.refused} commands refused"
        )


class OneEntity(RuleBasedStateMachine):
    """Commands to one entity, by the rules of decide; the clock goes on a day before each."""

    counts: ClassVar[Counts] = Counts()

    def __init__(self) -> None:
        super().__init__()
        self.checked = Checked()
        self.refused = 0
        self.today = START

    @initialize(said=wholes, start=starts, length=lengths)
    def register(self, said: Any, start: int | None, length: Any) -> None:
        self.say(Register, said, start, length)

    @rule(said=parts, start=starts, length=lengths)
    def revise(self, said: Any, start: int | None, length: Any) -> None:
        self.say(Revise, said, start, length)

    @rule(said=wholes, start=starts, length=lengths)
    def replace(self, said: Any, start: int | None, length: Any) -> None:
        self.say(Replace, said, start, length)

    @rule(start=starts, length=lengths)
    def retire(self, start: int | None, length: Any) -> None:
        self.say(Retire, {}, start, length)

    @rule(said=parts, whole=wholes, place=st.integers(0, 20), length=lengths)
    def reopen(self, said: Any, whole: Any, place: int, length: Any) -> None:
        """Reopen it on a day on which it is not there, if there is one."""
        now = day(self.today + 1)
        away = [n for n in range(-6, 6) if not known.exists(self.checked.timeline, now + timedelta(days=n))]
        if away:
            start = away[place % len(away)]
            self.say(Reopen, whole if place % 2 else said, start or None, length)

    @rule(place=st.integers(0, 20))
    def cancel(self, place: int) -> None:
        self.decide(Cancel(event_id=UUID(int=1 + place % (len(self.checked.history) + 1))))

    def say(self, command: Callable[..., Command], said: Any, start: int | None, length: Any) -> None:
        """Give a command, dated `start` days from now and for `length` days."""
        now = day(self.today + 1)
        at = None if start is None else now + timedelta(days=start)
        until = (at or now) + timedelta(days=length) if isinstance(length, int) else length
        self.decide(command(**said, effective_at=at, effective_until=until))

    def decide(self, command: Command) -> None:
        self.today += 1
        now = day(self.today)
        timeline = self.checked.timeline
        try:
            events = entities.decide(timeline, command, registry=REGISTRY, now=now)
        except CockpitError:
            self.refused += 1
            return
        at, until = (getattr(command, name, None) for name in ("effective_at", "effective_until"))
        for event in events:
            self.checked.append(record(event, timeline.version + 1, now, at, effective_until=until))
        if not isinstance(command, Cancel | Register):
            obeyed(command, self.checked.read(at or now, self.checked.timeline.last_position))

    @invariant()
    def the_past_is_what_it_was(self) -> None:
        self.checked.earlier_answers_are_the_same()

    def teardown(self) -> None:
        if self.checked.history:
            self.checked.whole()
            self.counts.add(self.checked, self.refused)


def obeyed(command: Command, state: State) -> None:
    """What was commanded is so at its start, as known once it is recorded."""
    assert (state is ABSENT) == isinstance(command, Retire), command
    given = {name: getattr(command, name, UNSET) for name in ("display_name", "entity_type")}
    given |= {f"details.{code}": value for code, value in getattr(command, "details", {}).items()}
    for name, value in given.items():
        assert value is UNSET or state.get(name) == value, (command, name)
    assert not isinstance(command, Replace) or state.keys() == given.keys(), command


def check(histories: int, chosen: int, *, shrink: bool = True) -> Counts:
    """Check so many histories, drawn with a seed; raise AssertionError where something does not hold."""
    OneEntity.counts = Counts()
    chance = settings(
        max_examples=histories,
        stateful_step_count=STEPS,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate, Phase.shrink] if shrink else [Phase.generate],
    )
    run_state_machine_as_test(seed(chosen)(OneEntity), settings=chance)
    return OneEntity.counts


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--histories", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    print(check(given.histories, given.seed, shrink=False))  # noqa: T201  # what it is run for
