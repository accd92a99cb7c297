"""Many commands in one request, and a backlog of events: how fast the one is taken, and how fast the other is folded.

The read model has about a million versions by then, with every constraint. The projector is not running while the
batch is taken, and starts when it is done. What is timed is a backlog of its own (backlog.py), from the first of its
transactions to the last; the batch's events come before it.
"""

from __future__ import annotations

import itertools
import json
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial

from tests.bench.backlog import append_backlog
from tests.bench.bench import Bench
from tests.bench.dataset import fill
from tests.bench.entities import check_projected
from tests.bench.load import WrongAnswers, run
from tests.bench.peers import Library
from tests.bench.reads import uids
from tests.bench.results import Bar, Line
from tests.bench.stand import Service, wait_until

VERSIONS_AN_ENTITY = 4.8
"""How many versions an entity has, with those of its details: see dataset.py."""
BATCH = Bar(goal=20_000, beyond=50_000)
FOLD = Bar(goal=12_000, beyond=20_000)
TIMES = Bar(goal=6, beyond=10, of="ratio")
LIBRARY_EVENTS_A_SECOND = 500
"""How many events of a turn's second the library gets as its backlog: enough for as long a turn."""
POLL_SECONDS = 0.005
KNOWN = 200_000
"""How many entities the backlog is about, at most."""
_batch = itertools.count(1)


def commands(number: int, count: int, known: list[str]) -> Iterator[str]:
    """Yield the lines of a batch: two of three register an entity by its key elsewhere, the third revises one."""
    for n in range(count):
        name, mail = f"Somebody {number}-{n}", f"{number}.{n}@example.com"
        if n % 3:
            details = {"EMAIL": mail, "PHONE": f"+1-202-{n}", "ADDRESS": f"{n} Main Street, Springfield"}
            key = {"source": "bench", "external_id": f"{number}-{n}", "entity_type": "PERSON"}
            yield json.dumps({**key, "display_name": name, "details": details})
        else:
            yield json.dumps(
                {"entity_uid": known[n // 3 % len(known)], "display_name": name, "details": {"EMAIL": mail}}
            )


def measure(bench: Bench) -> None:
    """Let batches and backlogs, ours and the library's, have their turns."""
    entities = int(bench.extent.versions / VERSIONS_AN_ENTITY)
    made = partial(fill, entities=entities)
    with bench.stand.service("projection", "api", fill=made) as service:
        known = uids(service, bench.extent.commands)

        def batch(_: float) -> float:
            return _take(bench, service, known)

        turns: dict[str, Callable[[float], float]] = {"batch": batch, "fold": partial(_fold, bench, service)}
        if Library.is_there():
            library = Library(bench.stand, "library_projection")
            turns["library"] = lambda seconds: library.projects(seconds * LIBRARY_EVENTS_A_SECOND)
        samples, faults = bench.rounds(turns)
        if not faults:
            try:
                check_projected(service)
            except WrongAnswers as error:
                faults["fold"] = str(error)
    versions = f"{bench.extent.versions:,} versions"
    fold, fault = samples["fold"], faults.get("fold", "")
    bench.add(
        Line(
            key="batch",
            what="NDJSON batch with an Idempotency-Key and state checks, into the log",
            unit="commands/s",
            samples=samples["batch"],
            bar=BATCH,
            fault=faults.get("batch", ""),
            how=f"{bench.extent.commands:,} lines, two of three register, the third revises",
        ),
        Line(
            key="fold",
            what=f"projector with exclusion constraints, a backlog at {versions}",
            unit="events/s",
            samples=fold,
            bar=FOLD,
            fault=fault,
            how=f"{bench.extent.commands:,} events of random entities, as tests/bench/backlog.py mixes them",
        ),
    )
    if "library" in samples:
        told = samples["library"]
        bench.add(
            Line(key="peer.projection", what="eventsourcing, its projection", unit="events/s", samples=told),
            Line(
                key="fold.times",
                what=f"projector, a backlog at {versions}",
                unit="events/s",
                samples=fold,
                against="eventsourcing's projection",
                reference=told,
                bar=TIMES,
                fault=fault or faults.get("library", ""),
            ),
        )


def _take(bench: Bench, service: Service, known: list[str]) -> float:
    """Send a batch and return how many commands a second were taken. Raises WrongAnswers."""
    number = next(_batch)
    file = bench.stand.folder / f"batch-{number}.ndjson"
    count = bench.extent.commands
    file.write_text("".join(line + "\n" for line in commands(number, count, known)))
    before = service.one("SELECT count(*) FROM log.event WHERE stream LIKE 'entity:%%'")
    command = [sys.executable, "-m", "tests.bench.batching", service.url, service.token, f"batch-{number}", str(file)]
    told = json.loads(run(command))
    taken = service.one("SELECT count(*) FROM log.event WHERE stream LIKE 'entity:%%'") - before
    file.unlink()
    revised = len(range(0, count, 3))
    if told["verdicts"] != {"registered": count - revised, "revised": revised} or taken != count:
        raise WrongAnswers(f"{told['status']}: {told['verdicts']}, {taken} events of {count} commands")
    return float(count / told["seconds"])


def _fold(bench: Bench, service: Service, _seconds: float) -> float:
    """Append a backlog, start the projector, and return how many events a second it folds, until none is left."""
    first = service.head()
    append_backlog(service.conninfo, uids(service, KNOWN), bench.extent.commands, seed=first)
    service.start("project", is_waited_for=False)
    wait_until(lambda: service.checkpoint() > first, "the projector has begun with the backlog", pause=POLL_SECONDS)
    began_at, began = service.checkpoint(), time.monotonic()
    service.drain()
    ended_at, ended = service.checkpoint(), time.monotonic()
    service.stop("project")
    if ended_at == began_at:
        raise WrongAnswers("the backlog was folded at once: it was too small to be timed")
    return (ended_at - began_at) / (ended - began)
