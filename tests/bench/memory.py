"""Memory under load: commands, and questions, at half of the rate that lasts; it has to stay where it is."""

from __future__ import annotations

import time
from pathlib import Path

from tests.bench.bench import Bench
from tests.bench.entities import API, check_projected, registering
from tests.bench.load import Beside, WrongAnswers, ask, asking
from tests.bench.reads import uids
from tests.bench.results import Bar, Line, Series
from tests.bench.stand import Service
from tests.bench.sustained import lasting

LOOKS = 200
"""How often one looks, at most."""
WARMED_UP = 0.25
"""Which part of the time is left out where growth is told."""
READS_A_SECOND = 100
READERS = 8
API_BAR, PROJECTOR_BAR = Bar(goal=120, better="less"), Bar(goal=150, better="less")
GROWTH = Bar(goal=5, better="less")
PARTS = {"api": "API worker", "project": "projector"}
Curve = list[tuple[float, float]]


def resident(pid: int, field: str = "VmRSS") -> float:
    """Return how much memory a process has, in MiB; the most that it ever had is `VmHWM`. Linux alone tells it."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith(f"{field}:"))) / 1024


def growth(curve: Curve) -> float:
    """Return by how much the line that fits best rises, from where it has warmed up to the end."""
    settled = curve[int(len(curve) * WARMED_UP) :]
    times, sizes = [at for at, _ in settled], [size for _, size in settled]
    mid, mean = sum(times) / len(times), sum(sizes) / len(sizes)
    spread = sum((at - mid) ** 2 for at in times)
    slope = sum((at - mid) * (size - mean) for at, size in settled) / spread if spread else 0.0
    return slope * (times[-1] - times[0])


def watch(bench: Bench, service: Service) -> dict[str, Curve]:
    """Load the service, and return the memory of its parts over time. Raises WrongAnswers."""
    seconds = bench.extent.memory_seconds
    registered = registering(bench.stand, service)
    ask(service.url, registered, bench.extent.search_seconds)  # so that there is something to be asked for
    service.drain()
    rate = lasting(bench, service, registered) / 2
    asked = asking(
        bench.stand, [f"{API}/entities/{uid}" for uid in uids(service, 1000)] + [f"{API}/entities?count=none"]
    )
    load = [
        Beside(service.url, registered, seconds, rate=rate),
        Beside(service.url, asked, seconds, rate=READS_A_SECOND, connections=READERS),
    ]
    began, curves = time.monotonic(), {part: Curve() for part in PARTS}
    while any(one.is_at_it for one in load):
        for part, curve in curves.items():
            curve.append((time.monotonic() - began, resident(service.pid(part))))
        time.sleep(max(0.05, seconds / LOOKS))
    for one in load:
        one.result()
    service.drain()
    check_projected(service)
    return curves


def measure(bench: Bench) -> None:
    """Watch the memory of the API and of the projector; Linux alone tells it."""
    fault, curves = "", {part: Curve() for part in PARTS}
    with bench.stand.service("memory", "api", "project") as service:
        try:
            curves = watch(bench, service)
        except (WrongAnswers, OSError) as error:
            fault = str(error)
    load = f"under {bench.extent.memory_seconds / 60:.2g} minutes of load"
    for part, bar in (("api", API_BAR), ("project", PROJECTOR_BAR)):
        curve = curves[part]
        sizes = [size for _, size in curve]
        bench.add(
            Line(
                key=f"memory.{part}",
                what=f"memory of the {PARTS[part]} {load}, the most",
                unit="MiB",
                samples=[max(sizes)] if sizes else [],
                bar=bar,
                fault=fault,
            ),
            Line(
                key=f"memory.{part}.growth",
                what=f"memory of the {PARTS[part]}, growth after the first quarter",
                unit="MiB",
                samples=[growth(curve)] if curve else [],
                bar=GROWTH,
                fault=fault,
            ),
        )
    named = {PARTS[part]: curve for part, curve in curves.items()}
    bench.series.append(Series(key="memory", title="Memory under load", across="seconds", up="MiB", curves=named))
