"""What growth costs: the same questions to databases of several sizes, one connection, one question after the other.

What counts is how long one of a hundred takes at least (p99), among a million entities where there are that many, and
by how much a point in time and a page grow with the data. A database of more has what is read and no more: no log, and
no exclusion constraints.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from functools import partial
from statistics import median

from tests.bench.bench import Bench
from tests.bench.dataset import exists, fill
from tests.bench.entities import API, check_told
from tests.bench.load import Answered, Asking, ask, asking
from tests.bench.reads import instants, then
from tests.bench.results import Bar, Line, Series
from tests.bench.stand import Service, Stand

TURN_SECONDS = 2.0
MILLION = 1_000_000
MANY = 500
COMMON = ("jane", "tony", "smith", "wood", "berg", "ada")
FLAT = Bar(goal=1.5, beyond=1.2, of="ratio", better="less")
PROMPT = Bar(goal=20, beyond=5, better="less")
COUNTED = Bar(goal=500, better="less")
FLAT_QUESTIONS = ("one as of an instant", "page as of an instant, no count")


def span(days: int, chance: random.Random) -> str:
    """Return a part of the years in which things change, as a query string has it."""
    since = datetime(2015, 1, 1, tzinfo=UTC) + timedelta(days=chance.randrange(2_500))
    return f"from={since:%Y-%m-%d}&to={since + timedelta(days=days):%Y-%m-%d}"


def questions(stand: Stand, service: Service, entities: int) -> dict[str, tuple[Asking, Bar | None]]:
    """Return what is asked, by name, and how soon it has to be answered."""
    chance = random.Random(2)  # noqa: S311  # it picks what is asked
    whens = [*instants(MANY, chance)]
    rare = [f"{n}" for n in (chance.randrange(entities // 10, entities) for _ in range(MANY)) if exists(n)]

    def get(lines: list[str]) -> Asking:
        return asking(stand, [API + line for line in lines])

    return {
        FLAT_QUESTIONS[0]: (asking(stand, then(service, MANY)), None),
        FLAT_QUESTIONS[1]: (get([f"/entities-asof/?as_of={when}&count=none" for when in whens]), None),
        "list, exact count": (get(["/entities"]), PROMPT),
        "list by type, exact count": (get(["/entities?type=PERSON", "/entities?type=INSTITUTION"]), PROMPT),
        "as-of list, exact count": (get([f"/entities-asof/?as_of={when}" for when in whens]), PROMPT),
        "as-of list by type, exact count": (get([f"/entities-asof/?as_of={t}&type=PERSON" for t in whens]), PROMPT),
        "search, rare words": (get([f"/entities?q={word}&count=none" for word in rare]), PROMPT),
        "search, common words": (get([f"/entities?q={word}&count=none" for word in COMMON]), PROMPT),
        **{
            f"diff of a {name}, no count": (get([f"/diff/?{span(n, chance)}&count=none" for _ in range(MANY)]), PROMPT)
            for name, n in (("day", 1), ("month", 30), ("year", 365))
        },
        "search, common words, exact count": (get([f"/entities?q={word}" for word in COMMON]), COUNTED),
        "diff of a year, exact count": (get([f"/diff/?{span(365, chance)}" for _ in range(MANY)]), COUNTED),
    }


def measure(bench: Bench) -> None:
    """Ask every database everything, in turns."""
    found: dict[str, dict[int, list[Answered]]] = {}
    bars: dict[str, Bar | None] = {}
    faults: dict[str, str] = {}
    with ExitStack() as stack:
        turns: dict[str, Callable[[float], float]] = {}
        for size in bench.extent.sizes:
            made = partial(fill, entities=size, only_to_read=size > MILLION)
            service = stack.enter_context(bench.stand.service(f"scale_{size}", "api", fill=made))
            bench.say(f"{size:,} entities are there")
            for name, (what, bar) in questions(bench.stand, service, size).items():
                bars[name] = bar
                kept = found.setdefault(name, {}).setdefault(size, [])
                turns[f"{name}, {size}"] = partial(_turn, service, what, kept)
        _, faults = bench.rounds(turns, min(TURN_SECONDS, bench.extent.seconds / 3))
    for name, sizes in found.items():
        for size, answers in sizes.items():
            bench.add(_line(bench, name, size, answers[1:], bars[name], faults.get(f"{name}, {size}", "")))
    base, largest = min(bench.extent.sizes), max(bench.extent.sizes)
    if base < largest:
        bench.add(*(_growth(name, found[name], base, largest) for name in FLAT_QUESTIONS))
    curves = {
        name: [(float(size), median(one.p50 for one in answers[1:])) for size, answers in sizes.items() if answers[1:]]
        for name, sizes in found.items()
    }
    title = "Half of the answers come within"
    bench.series.append(Series(key="scale", title=title, across="entities", up="ms", curves=curves))


def _turn(service: Service, what: Asking, kept: list[Answered], seconds: float) -> float:
    check_told(service, what)
    kept.append(ask(service.url, what, seconds, connections=1))
    return kept[-1].p99


def _line(bench: Bench, name: str, size: int, answers: list[Answered], bar: Bar | None, fault: str) -> Line:
    sizes = bench.extent.sizes
    is_judged = size == (MILLION if MILLION in sizes else max(sizes))
    return Line(
        key=f"scale.{size}.{name}",
        what=f"{name}, {size:,} entities: p99",
        unit="ms",
        samples=[one.p99 for one in answers],
        bar=bar if is_judged else None,
        fault=fault,
    )


def _growth(name: str, sizes: dict[int, list[Answered]], base: int, largest: int) -> Line:
    return Line(
        key=f"scale.growth.{name}",
        what=f"{name}, {largest:,} entities: p50",
        unit="ms",
        samples=[one.p50 for one in sizes[largest][1:]],
        against=f"{base:,} entities",
        reference=[one.p50 for one in sizes[base][1:]],
        bar=FLAT,
        how="an entity has about five versions, with those of its details",
    )
