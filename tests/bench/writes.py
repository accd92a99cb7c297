"""Commands: in a burst beside the raw limits and the peers, and at a rate that lasts."""

from __future__ import annotations

import time

from tests.bench.bench import Bench
from tests.bench.entities import REGISTER, Turns, check_appended, check_projected, registering, revising
from tests.bench.load import Asking, WrongAnswers, ask_all_out, asking
from tests.bench.peers import Library, PgBench, hello
from tests.bench.results import Bar, Line
from tests.bench.stand import Service

BURST = Bar(goal=0.30, beyond=0.45, of="ratio")
PATCH = Bar(goal=0.80, beyond=1.0, of="ratio")


def measure(bench: Bench) -> None:
    """Measure bursts of POST and PATCH; each burst ends when the projector has folded what it made."""
    stand, seconds = bench.stand, bench.extent.seconds
    with hello(stand) as raw, stand.service("writes", "api", "project") as service:
        greeting = asking(stand, ["/"], 201, "POST", REGISTER)
        posting = registering(stand, service)
        drained: list[float] = []

        asked = Turns(service)

        def burst(name: str, what: Asking, seconds: float) -> float:
            before = service.head()
            answered = asked.ask(name, what, seconds)
            began = time.monotonic()
            service.drain()
            drained.append(time.monotonic() - began)
            check_appended(service, before, answered)
            return answered.rate

        turns = {
            "raw": lambda seconds: ask_all_out(raw, greeting, seconds).rate,
            "post": lambda seconds: burst("post", posting, seconds),
            "patch": lambda seconds: burst("patch", revising(stand, service), seconds),
        }
        if PgBench.is_there():
            turns["pgbench"] = PgBench(stand).inserts
        if Library.is_there():
            turns["library"] = Library(stand).saves
        samples, faults = bench.rounds(turns)
        faults |= _counted(service, faults)
    bench.add(
        Line(
            key="raw.post", what="raw ASGI hello, POST", unit="/s", samples=samples["raw"], fault=faults.get("raw", "")
        ),
        Line(
            key="writes.post",
            what=f"POST entity with 3 details, durable, 64 connections, burst of {seconds:g} s, projector running",
            unit="/s",
            samples=samples["post"],
            against="raw ASGI POST",
            reference=samples["raw"],
            bar=BURST,
            costs=asked.cost("post"),
            fault=faults.get("post", ""),
            how="the backlog is drained after each burst, and the log has an event for each 201",
        ),
        Line(
            key="writes.patch",
            what="PATCH of one of many entities (state loaded, hashdiff, If-Match on some)",
            unit="/s",
            samples=samples["patch"],
            against="POST",
            reference=samples["post"],
            bar=PATCH,
            costs=asked.cost("patch"),
            fault=faults.get("patch", ""),
        ),
        Line(key="writes.drain", what="until the backlog of a burst is drained", unit="s", samples=drained),
    )
    for name, what in (("pgbench", "pgbench, one insert a transaction"), ("library", "eventsourcing, one save")):
        if name in samples:
            fault = faults.get(name, "")
            bench.add(Line(key=f"peer.{name}", what=what, unit="/s", samples=samples[name], fault=fault))


def _counted(service: Service, faults: dict[str, str]) -> dict[str, str]:
    """Return what the counts of log and read model hold against the measures."""
    try:
        check_projected(service)
    except WrongAnswers as error:
        return {name: faults.get(name, str(error)) for name in ("post", "patch")}
    return {}
