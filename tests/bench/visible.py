"""From commit to visible: idle, and while the service takes half of what it can for long."""

from __future__ import annotations

import sys

import msgspec

from tests.bench.bench import Bench
from tests.bench.entities import API, REGISTER, registering
from tests.bench.load import Beside, WrongAnswers, numbers, run
from tests.bench.prober import Probe
from tests.bench.results import Bar, Line
from tests.bench.stand import Service
from tests.bench.sustained import lasting

PAUSE_SECONDS = 0.02
SETTLING_SECONDS = 1.0
"""How much longer the load goes on than what is measured under it."""
IDLE = Bar(goal=2, beyond=1, better="less")
BUSY = Bar(goal=25, beyond=10, better="less")
HOW = "a GET with min_position, sent when the POST was answered; its own time counts"


def share(times: list[float], part: float) -> float:
    """Return what so many of the times are at most."""
    return sorted(times)[min(len(times) - 1, int(len(times) * part))]


def probe(service: Service, seconds: float) -> list[float]:
    """Return how long commands took to be seen, in milliseconds. Raises WrongAnswers."""
    doing = Probe(service.url, service.token, f"{API}/entities", REGISTER, next(numbers), seconds, PAUSE_SECONDS)
    return msgspec.json.decode(
        run([sys.executable, "-m", "tests.bench.prober"], msgspec.json.encode(doing)), type=list[float]
    )


def measure(bench: Bench) -> None:
    """Probe an idle service and a busy one, in turns."""
    with bench.stand.service("visible", "api", "project") as service:
        what = registering(bench.stand, service)
        idle: list[list[float]] = []
        busy: list[list[float]] = []
        rate = 0.0

        def idly(seconds: float) -> float:
            service.drain()
            idle.append(probe(service, seconds))
            return share(idle[-1], 0.5)

        def busily(seconds: float) -> float:
            load = Beside(service.url, what, seconds + SETTLING_SECONDS, rate=rate / 2)
            busy.append(probe(service, seconds))
            load.result()
            return share(busy[-1], 0.99)

        try:
            rate = lasting(bench, service, what)
        except WrongAnswers as error:
            bench.say(str(error))
        samples, faults = bench.rounds({"idle": idly, "busy": busily} if rate else {"idle": idly})
    bench.add(
        Line(
            key="visible.idle",
            what="commit to visible, idle: p50",
            unit="ms",
            samples=samples["idle"],
            bar=IDLE,
            how=HOW,
            fault=faults.get("idle", ""),
        ),
        Line(
            key="visible.busy",
            what=f"commit to visible, at {rate / 2:,.0f} commands/s, half of what lasts: p99",
            unit="ms",
            samples=samples.get("busy", []),
            bar=BUSY,
            how=HOW,
            fault=faults.get("busy", "" if rate else "no rate lasts"),
        ),
    )
