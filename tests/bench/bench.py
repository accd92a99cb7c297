"""What every measure works with: the place, how long and how often, and rounds in which everything has its turn."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Mapping

from msgspec import Struct

from tests.bench.load import WrongAnswers
from tests.bench.results import Line, Series
from tests.bench.stand import NotReady, Stand


class Extent(Struct, frozen=True, kw_only=True):
    """How much is measured: rounds, seconds a turn, entities a database, and how long the long ones go on."""

    rounds: int
    seconds: float
    sizes: tuple[int, ...]
    sustained_seconds: float
    memory_seconds: float
    search_seconds: float
    """How long a rate is tried before it counts as one that lasts."""
    versions: int
    """How many versions the read model has when a backlog is folded, and when it is made anew."""
    commands: int
    """How many commands a batch has."""
    within: float | None = None
    """In how many seconds it should be done: rounds are left out for it, but for the first."""


FULL = Extent(
    rounds=5,
    seconds=10,
    sizes=(10_000, 100_000, 1_000_000),
    sustained_seconds=300,
    memory_seconds=1200,
    search_seconds=6,
    versions=1_000_000,
    commands=50_000,
)
QUICK = Extent(
    rounds=3,
    seconds=1,
    sizes=(10_000,),
    sustained_seconds=12,
    memory_seconds=8,
    search_seconds=1.5,
    versions=20_000,
    commands=3_000,
    within=150,
)


WARM_SECONDS = 0.5
PACE_STEPS = 200_000


def pace() -> float:
    """Return how many milliseconds of a processor a fixed loop takes: what differs is what the machine gives."""
    began, total = time.process_time(), 0
    for step in range(PACE_STEPS):
        total += step % 7
    return (time.process_time() - began) * 1000


class Bench:
    """One run under way: measures add what they find."""

    def __init__(self, stand: Stand, extent: Extent) -> None:
        self.stand, self.extent = stand, extent
        self.lines: list[Line] = []
        self.series: list[Series] = []
        self.paces: list[float] = []
        """How long the same loop took before each turn: see `pace`."""
        self.lasting_rate: float | None = None
        """How many commands a second the service takes for as long as one likes, once that is known."""
        self._began = time.monotonic()
        self._ends_at = math.inf

    def allot(self, share: float) -> None:
        """Let what comes next end its rounds after this share of the time that is left, where time is limited."""
        if self.extent.within is not None:
            now = time.monotonic()
            self._ends_at = now + share * max(0.0, self._began + self.extent.within - now)

    def say(self, text: str) -> None:
        print(f"{time.monotonic() - self._began:7.1f} s  {text}", file=sys.stderr, flush=True)  # noqa: T201

    def add(self, *lines: Line) -> None:
        for line in lines:
            self.say(f"{line.verdict:8} {line.key:28} {line.value:12,.1f} {line.unit:10} {line.fault}")
        self.lines += lines

    def rounds(
        self, turns: Mapping[str, Callable[[float], float]], seconds: float | None = None
    ) -> tuple[dict[str, list[float]], dict[str, str]]:
        """Let everything have its turn of some seconds in every round; return the samples, and what went wrong.

        The first round is short, warms up, and does not count. What went wrong once has no further turn.
        """
        lasting = seconds or self.extent.seconds
        samples: dict[str, list[float]] = {name: [] for name in turns}
        faults: dict[str, str] = {}
        for number in range(self.extent.rounds + 1):
            if number > 1 and time.monotonic() > self._ends_at:
                self.say("no time is left for another round")
                break
            for name, turn in turns.items():
                if name in faults:
                    continue
                self.paces.append(pace())
                try:
                    found = turn(lasting if number else min(lasting, WARM_SECONDS))
                    samples[name] += [found] if number else []
                except (WrongAnswers, NotReady) as error:
                    faults[name] = " ".join(str(error).split())[:200]
                    self.say(f"{name}: {error}")
            told = ", ".join(f"{name} {figures[-1]:,.6g}" for name, figures in samples.items() if figures)
            self.say(f"round {number}: {told}" if number else "warm")
        return samples, faults
