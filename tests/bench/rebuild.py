"""The read model made anew from the log, beside COPY of the same rows with the same constraints.

What counts is `cockpit rebuild` from its first phase until the tables are whole and indexed: COPY has nothing to
compare with, and nothing to switch to. How long it takes in all is told, too.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from functools import partial

from tests.bench.bench import Bench
from tests.bench.copying import Copying
from tests.bench.dataset import fill
from tests.bench.entities import check_projected
from tests.bench.load import WrongAnswers
from tests.bench.projection import VERSIONS_AN_ENTITY
from tests.bench.results import Bar, Line
from tests.bench.stand import Service, clean_environment, leashed

BEGINS, IS_WHOLE = "Loading", ("Catching up", "Comparing", "Switching")
SHARE = Bar(goal=0.65, of="ratio")
RATE = Bar(goal=60_000, beyond=90_000)
MEMORY = Bar(goal=150, better="less")


class Remade:
    """One run of `cockpit rebuild`: seconds until the tables were whole, seconds in all, most memory in MiB, events."""

    def __init__(self, service: Service) -> None:
        running = leashed(
            [sys.executable, "-m", "cockpit", "rebuild"],
            env=clean_environment(COCKPIT_DATABASE_URL=service.conninfo),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert running.stdout is not None
        began = whole = 0.0
        said = ""
        with running.stdout as lines:
            for line in lines:
                said += str(line)
                if str(line).startswith(BEGINS) and not began:
                    began = time.monotonic()
                elif str(line).startswith(IS_WHOLE) and not whole:
                    whole = time.monotonic()
        self.total = time.monotonic() - began
        _, status, usage = os.wait4(running.pid, 0)
        running.returncode = os.waitstatus_to_exitcode(status)
        told = re.search(r"^Rebuilt: (\d+) events, (\d+) rows, [\d.]+ s, (\d+) rows differed", said, re.MULTILINE)
        if running.returncode != 0 or told is None or told[3] != "0" or not whole:
            raise WrongAnswers(f"cockpit rebuild ended with {running.returncode}: {said[-200:]}")
        self.events, self.rows = int(told[1]), int(told[2])
        self.seconds = whole - began
        self.memory = usage.ru_maxrss / (1024 if sys.platform == "linux" else 1024**2)


def measure(bench: Bench) -> None:
    """Let both have their turns."""
    made = partial(fill, entities=int(bench.extent.versions / VERSIONS_AN_ENTITY))
    with bench.stand.service("rebuild", fill=made) as service:
        copying = Copying(service.conninfo, bench.stand.folder)
        events = service.head()
        remade: list[Remade] = []

        def rebuild(_: float) -> float:
            remade.append(Remade(service))
            if remade[-1].events != events:
                raise WrongAnswers(f"{remade[-1].events} events rebuilt of {events}")
            return events / remade[-1].seconds

        samples, faults = bench.rounds({"copy": lambda _: events / copying.seconds(), "rebuild": rebuild})
        if not faults:
            try:
                check_projected(service)
            except WrongAnswers as error:
                faults["rebuild"] = str(error)
    counted, fault = remade[1:], faults.get("rebuild", "")
    size = f"{events:,} events, {copying.rows:,} rows"
    bench.add(
        Line(key="copy", what=f"COPY of {size}, and the constraints", unit="events/s", samples=samples["copy"]),
        Line(
            key="rebuild.share",
            what=f"rebuild of {size}, until whole and indexed",
            unit="events/s",
            samples=samples["rebuild"],
            against="COPY and constraints",
            reference=samples["copy"],
            bar=SHARE,
            fault=fault,
        ),
        Line(key="rebuild", what="the same", unit="events/s", samples=samples["rebuild"], bar=RATE, fault=fault),
        Line(
            key="rebuild.total",
            what="rebuild in all, compared and switched to",
            unit="s",
            samples=[one.total for one in counted],
            fault=fault,
        ),
        Line(
            key="rebuild.memory",
            what="rebuild, most memory",
            unit="MiB",
            samples=[one.memory for one in counted],
            bar=MEMORY,
            fault=fault,
        ),
    )
