"""Questions, asked by 64 connections at once, beside the raw server: over many entities, instants, types and pages.

The first page that many ask for at one moment is made once for all of them; a page by cursor is one of many. So these
two are also asked for one after the other.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from urllib.parse import quote

from tests.bench.bench import Bench
from tests.bench.dataset import fill
from tests.bench.entities import API, Turns, check_told
from tests.bench.load import Asking, WrongAnswers, ask, ask_all_out, asking
from tests.bench.peers import hello
from tests.bench.results import Bar, Line
from tests.bench.stand import Service, Stand

MANY = 5_000
"""Over how many entities, instants or pages a question goes."""
LARGEST = 100_000
ONE = Bar(goal=0.45, beyond=0.60, of="ratio")
FIRST_PAGE = Bar(goal=4_000, beyond=8_000)
CURSOR = Bar(goal=1 / 1.3, of="ratio")
ALONE = Bar(goal=1.3, of="ratio", better="less")
DEEP = Bar(goal=1 / 3, of="ratio")
DEEP_PAGE = 1_000
CURSORS = 100
MOST_A_PAGE = 500


def instants(count: int, chance: random.Random) -> Iterator[str]:
    """Yield instants of the years that the entities live in, as a query string has them."""
    since = datetime(2015, 1, 1, tzinfo=UTC)
    for _ in range(count):
        yield quote((since + timedelta(seconds=chance.randrange(250_000_000))).isoformat().replace("+00:00", "Z"))


def uids(service: Service, count: int) -> list[str]:
    """Return so many entities that are there now, in no order."""
    query = "SELECT entity_uid::text FROM read_model.entity_version WHERE is_current ORDER BY hashdiff LIMIT %s"
    return [uid for (uid,) in service.log.execute(query, [count])]


def then(service: Service, count: int) -> list[str]:
    """Return so many entities, each as of an instant at which it was there, as a path."""
    query = (
        "SELECT entity_uid::text, valid_from + (coalesce(valid_to, valid_from + interval '1 year') - valid_from) / 2"
        " FROM read_model.entity_version ORDER BY hashdiff LIMIT %s"
    )
    found = service.log.execute(query, [count]).fetchall()
    return [f"{API}/entities/{uid}?as_of={quote(at.astimezone(UTC).isoformat())}" for uid, at in found]


def cursors(service: Service, count: int, entities: int) -> list[str]:
    """Return so many pages of 10 that cursors lead to, evenly from the second page to the end."""
    step = max(10, min(MOST_A_PAGE, entities // (count + 1)))
    found: list[str] = []
    path = f"{API}/entities?page_size={step}&cursor=*"
    while path and len(found) < count:
        with service.ask(path) as answer:
            following = json.load(answer)["next"]
        path = following and following[following.index(API) :]
        found += [path.replace(f"page_size={step}", "page_size=10")] if path else []
    if not found or not all("cursor=" in path for path in found):
        raise WrongAnswers(f"no cursor leads on: {found[:1]}")
    return found


def questions(stand: Stand, service: Service, current: int, deep: int) -> dict[str, Asking]:
    """Return what is asked of so many current entities, by name; `deep` is the number of a page far behind."""
    chance = random.Random(1)  # noqa: S311  # it picks what is asked
    some, whens = uids(service, MANY), [*instants(MANY, chance)]
    far = max(1, min(20, current // 200))  # of twenty entities one is an institution
    pages = [chance.randint(1, far) for _ in range(MANY)]

    def get(lines: list[str], token: str = "") -> Asking:
        return asking(stand, [API + line for line in lines], token=token)

    return {
        "one": get([f"/entities/{uid}" for uid in some]),
        "list": get(["/entities"]),
        "as_of": get([f"/entities-asof/?as_of={when}" for when in whens]),
        "history": get([f"/entities/{uid}/history" for uid in some]),
        "audit": get(["/audit"], service.token),
        "list_mixed": get(
            [f"/entities?type={kind}&page={page}" for page in pages for kind in ("PERSON", "INSTITUTION")]
            + [f"/entities?page={page}" for page in pages]
        ),
        "cursor": asking(stand, cursors(service, CURSORS, current)),
        "deep": get([f"/entities?page={max(1, deep - n)}" for n in range(10)]),
    }


TITLES = {
    "list": "list, first page of 10",
    "as_of": "as-of list, first page, an instant of many",
    "history": "history of one of many entities",
    "audit": "audit, first page",
    "list_mixed": "list by type and plain, pages 1 to 20",
}


def measure(bench: Bench) -> None:
    """Measure how many questions a second are answered."""
    stand = bench.stand
    size = min(LARGEST, max(bench.extent.sizes))
    with (
        hello(stand) as raw,
        stand.service("reads", "api", fill=partial(fill, entities=size)) as service,
    ):
        current = int(service.one("SELECT count(*) FROM read_model.entity_version WHERE is_current"))
        deep = min(DEEP_PAGE, current // 10)
        asked = questions(stand, service, current, deep)
        greeting = asking(stand, ["/"])

        turning = Turns(service)

        def turn(name: str, what: Asking, seconds: float) -> float:
            check_told(service, what)
            service.settle()
            return turning.ask(name, what, seconds).rate

        turns = {"raw": lambda seconds: ask_all_out(raw, greeting, seconds).rate}
        for name, what in asked.items():
            turns[name] = partial(turn, name, what)
        for name in ("list", "cursor"):
            turns[f"{name}_alone"] = partial(_alone, service, asked[name])
        samples, faults = bench.rounds(turns)
    entities = f"of {size:,} entities"

    def line(
        name: str, what: str, against: str = "", reference: str = "", bar: Bar | None = None, unit: str = "/s"
    ) -> Line:
        return Line(
            key="raw.get" if name == "raw" else f"reads.{name}",
            what=what,
            unit=unit,
            samples=samples[name],
            against=against,
            reference=samples.get(reference, []),
            bar=bar,
            costs=turning.cost(name),
            fault=faults.get(name, ""),
        )

    bench.add(
        line("raw", "raw ASGI hello, GET"),
        line("one", f"GET one {entities}, current", "raw ASGI GET", "raw", ONE),
        *(line(name, f"{title} {entities}", bar=FIRST_PAGE) for name, title in TITLES.items()),
        line("cursor", "pages by cursor, from the second to the end", "first page", "list", CURSOR),
        line("list_alone", "first page, one after the other: p50", unit="ms"),
        line("cursor_alone", "pages by cursor, the same", "first page", "list_alone", ALONE, "ms"),
        line("deep", f"page number {deep:,}", "first page", "list", DEEP),
    )


def _alone(service: Service, what: Asking, seconds: float) -> float:
    """Ask one question after the other, and return how long half of them took at most. Raises WrongAnswers."""
    service.settle()
    return ask(service.url, what, seconds, connections=1).p50
