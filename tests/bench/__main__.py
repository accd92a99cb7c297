"""`python -m tests.bench`: measure, say, and keep what was found. `make bench` and `make bench-quick` run it."""

from __future__ import annotations

import argparse
import os
import shlex
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec

from tests.bench import around, memory, projection, reads, rebuild, report, scale, start, sustained, visible, writes
from tests.bench.bench import FULL, QUICK, Bench, Extent
from tests.bench.load import WrongAnswers
from tests.bench.results import Line, Run
from tests.bench.stand import ROOT, NotReady, stand

MEASURES: dict[str, tuple[Callable[[Bench], None], int]] = {
    "writes": (writes.measure, 2),
    "sustained": (sustained.measure, 2),
    "visible": (visible.measure, 1),
    "reads": (reads.measure, 3),
    "scale": (scale.measure, 3),
    "projection": (projection.measure, 2),
    "rebuild": (rebuild.measure, 1),
    "memory": (memory.measure, 1),
    "start": (start.measure, 1),
}
"""What is measured, by name, and how much of the time it gets where that is limited."""
KEPT = ROOT / ".data" / "benchmarks"
UNITS = {"k": 1_000, "m": 1_000_000}


def size(text: str) -> int:
    """Return a number of entities from 10000, 10k or 1M."""
    number, unit = (text[:-1], UNITS[text[-1].lower()]) if text[-1:].lower() in UNITS else (text, 1)
    return int(number) * unit


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    made.add_argument("--quick", action="store_true", help="short turns, small databases: within 3 minutes")
    made.add_argument("--only", nargs="+", choices=MEASURES, metavar="MEASURE", help=", ".join(MEASURES))
    made.add_argument("--sizes", nargs="+", type=size, metavar="N", help="entities a database: 10k 100k 1M 10M")
    made.add_argument("--rounds", type=int)
    made.add_argument("--seconds", type=float, help="of a turn")
    made.add_argument("--sustained", type=float, metavar="SECONDS", help="of the load that has to last")
    made.add_argument("--memory", type=float, metavar="SECONDS", help="of the load under which memory is watched")
    made.add_argument("--json", type=Path, metavar="PATH", help="keep the results there; else under .data/benchmarks")
    made.add_argument("--write", action="store_true", help="write docs/benchmarks.md and its pictures anew")
    made.add_argument("--from", type=Path, metavar="PATH", dest="kept", help="write from kept results; measure nothing")
    return made


def extent(given: argparse.Namespace) -> Extent:
    """Return how much is to be measured."""
    asked = {
        "rounds": given.rounds,
        "seconds": given.seconds,
        "sizes": given.sizes and tuple(given.sizes),
        "sustained_seconds": given.sustained,
        "memory_seconds": given.memory,
    }
    base = QUICK if given.quick else FULL
    return msgspec.structs.replace(base, **{name: value for name, value in asked.items() if value})


def run(much: Extent, names: list[str], by: str) -> Run:
    """Measure, and return what was found."""
    load = os.getloadavg()[0]
    with stand() as place:
        bench = Bench(place, much)
        for number, name in enumerate(names):
            bench.say(f"--- {name}")
            measure, share = MEASURES[name]
            bench.allot(share / sum(MEASURES[left][1] for left in names[number:]))
            try:
                measure(bench)
            except (NotReady, WrongAnswers) as error:  # the others can be measured all the same
                bench.add(Line(key=name, what=name, unit="", samples=[], fault=str(error)))
        return Run(
            command=by,
            rounds=much.rounds,
            seconds=much.seconds,
            lines=bench.lines,
            series=bench.series,
            **around.told(place, load, bench.paces),
        )


def command(arguments: list[str]) -> str:
    """Return what makes the same figures again: where they were kept is no part of it."""
    at = arguments.index("--json") if "--json" in arguments else len(arguments)
    return shlex.join(["python", "-m", "tests.bench", *arguments[:at], *arguments[at + 2 :]])


def keep(found: Run, file: Path) -> None:
    """Keep what was found as JSON."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(msgspec.json.format(msgspec.json.encode(found)))
    sys.stderr.write(f"The results are in {file}.\n")


def main() -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    given = parser().parse_args()
    if given.kept:
        found = msgspec.json.decode(given.kept.read_bytes(), type=Run)
    else:
        found = run(extent(given), given.only or [*MEASURES], command(sys.argv[1:]))
        keep(found, given.json or KEPT / f"{found.date.replace(':', '').replace(' ', '-')}.json")
    if given.write:
        report.write(found)
    sys.stdout.write(report.table(found.lines))
    sys.exit(any(line.verdict == "invalid" for line in found.lines))


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
