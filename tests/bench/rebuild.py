"""The read model made anew from the log, beside COPY of the same rows with the same constraints.

What counts is `cockpit rebuild` from its first phase until the tables are whole and indexed: COPY has nothing to
compare with, and nothing to switch to. How long it takes in all is told, too. COPY has one connection; the rebuild has
its turns with one process, which two processors have by themselves, and with two.
"""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

from tests.bench.bench import Bench
from tests.bench.copying import Copying
from tests.bench.dataset import fill
from tests.bench.entities import check_projected
from tests.bench.load import WrongAnswers
from tests.bench.memory import resident
from tests.bench.projection import VERSIONS_AN_ENTITY
from tests.bench.results import Bar, Line
from tests.bench.stand import Service, clean_environment, leashed

JOBS = {1: "one process", 2: "two processes"}
BEGINS, IS_WHOLE = "Loading", ("Catching up", "Comparing", "Switching")
SHARE = Bar(goal=0.65, of="ratio")
RATE = Bar(goal=60_000, beyond=90_000)
MEMORY = Bar(goal=150, better="less")


class Remade:
    """One run of `cockpit rebuild`: seconds until the tables were whole, seconds in all, events.

    `memory` is the most that one of its processes had, in MiB, as its own lines let one look; 0 where nobody tells.
    """

    def __init__(self, service: Service, jobs: int) -> None:
        running = leashed(
            [sys.executable, "-m", "cockpit", "rebuild", "--jobs", str(jobs)],
            env=clean_environment(COCKPIT_DATABASE_URL=service.conninfo),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert running.stdout is not None
        began = whole = self.memory = 0.0
        said = ""
        with running.stdout as lines:
            for line in lines:
                said += str(line)
                self.memory = max(self.memory, *map(_most_memory, (running.pid, *_children(running.pid))))
                if str(line).startswith(BEGINS) and not began:
                    began = time.monotonic()
                elif str(line).startswith(IS_WHOLE) and not whole:
                    whole = time.monotonic()
        self.total = time.monotonic() - began
        running.wait()
        told = re.search(r"^Rebuilt: (\d+) events, (\d+) rows, [\d.]+ s, (\d+) rows differed", said, re.MULTILINE)
        if running.returncode != 0 or told is None or told[3] != "0" or not whole:
            raise WrongAnswers(f"cockpit rebuild ended with {running.returncode}: {said[-200:]}")
        self.events, self.rows = int(told[1]), int(told[2])
        self.seconds = whole - began


def _children(pid: int) -> list[int]:
    with suppress(OSError):
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []


def _most_memory(pid: int) -> float:
    with suppress(OSError, StopIteration):  # it has ended
        return resident(pid, "VmHWM")
    return 0.0


def measure(bench: Bench) -> None:
    """Let both have their turns."""
    made = partial(fill, entities=int(bench.extent.versions / VERSIONS_AN_ENTITY))
    with bench.stand.service("rebuild", fill=made) as service:
        copying = Copying(service.conninfo, bench.stand.folder)
        events = service.head()
        remade: dict[int, list[Remade]] = {jobs: [] for jobs in JOBS}

        def rebuild(jobs: int, _: float) -> float:
            made = Remade(service, jobs)
            remade[jobs].append(made)
            if made.events != events:
                raise WrongAnswers(f"{made.events} events rebuilt of {events}")
            return events / made.seconds

        turns = {f"rebuild.{jobs}": partial(rebuild, jobs) for jobs in JOBS}
        samples, faults = bench.rounds({"copy": lambda _: events / copying.seconds(), **turns})
        if not faults:
            try:
                check_projected(service)
            except WrongAnswers as error:
                faults = dict.fromkeys(turns, str(error))
    size = f"{events:,} events, {copying.rows:,} rows"
    bench.add(
        Line(key="copy", what=f"COPY of {size}, and the constraints", unit="events/s", samples=samples["copy"]),
    )
    for jobs, key in zip(JOBS, turns, strict=True):
        bench.add(*_lines(key, jobs, samples, remade[jobs][1:], faults.get(key, "")))


def _lines(
    key: str, jobs: int, samples: Mapping[str, list[float]], counted: Sequence[Remade], fault: str
) -> Iterator[Line]:
    """Yield what is told of the turns with so many processes."""
    by = JOBS[jobs]
    yield Line(
        key=f"{key}.share",
        what=f"rebuild of the same by {by}, until whole and indexed",
        unit="events/s",
        samples=samples[key],
        against="COPY and constraints",
        reference=samples["copy"],
        bar=SHARE,
        fault=fault,
    )
    if jobs == max(JOBS):
        yield Line(key=key, what=f"by {by}", unit="events/s", samples=samples[key], bar=RATE, fault=fault)
    yield Line(
        key=f"{key}.total",
        what=f"by {by}, in all, compared and switched to",
        unit="s",
        samples=[one.total for one in counted],
        fault=fault,
    )
    yield Line(
        key=f"{key}.memory",
        what=f"by {by}, the most memory of one",
        unit="MiB",
        samples=[one.memory for one in counted if one.memory],
        bar=MEMORY,
        fault=fault,
    )
