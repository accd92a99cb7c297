"""A load shared out: processes that each fold some streams of the log and copy what they lead to, watched over here.

Streams know nothing of one another, so what is in the tables at the end does not depend on who folded which. A process
ends with its standard input, which is open as long as the one that began it lives; where one ends too early, all do.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import pairwise
from selectors import EVENT_READ, DefaultSelector
from typing import TYPE_CHECKING, Any

from msgspec import Struct, json
from msgspec.structs import replace

from db.queries import statement
from projector.loading import Share, load
from projector.runs import DSN_VARIABLE
from shared.core.errors import CockpitError

if TYPE_CHECKING:
    import psycopg

LEAST_EVENTS = 25_000
"""How many events are worth a process of their own: it takes a while to begin."""

Worker = subprocess.Popen[bytes]


class NotLoaded(CockpitError):
    """A process that loaded the tables came to nothing: {reason}."""

    def __init__(self, reason: str) -> None:
        self.reason = reason.rstrip(".")


class Told(Struct, omit_defaults=True):
    """What a process says: how many events it has folded, at its end how many rows they made, or what is wrong."""

    events: int = 0
    counted: dict[str, int] | None = None
    fault: str | None = None


_decode = json.Decoder(Told).decode


def load_shared(
    connection: psycopg.Connection[Any], conninfo: str, whole: Share, jobs: int, told: Callable[[int], None]
) -> Counter[str]:
    """Load by so many processes as are worth their while; a short log in this one. Raises NotLoaded, SetGone."""
    count = min(jobs, whole.up_to // LEAST_EVENTS)
    if count == 0:
        return load(connection, whole, told)
    return _watch(conninfo, divide(connection, whole, count), told)


def divide(connection: psycopg.Connection[Any], whole: Share, count: int) -> list[Share]:
    """Part a load into shares of about as many events each; fewer where a stream is too long to be parted."""
    parts = [number / count for number in range(1, count)]
    row = connection.execute(
        statement("projector/divide_streams"), {"parts": parts, "up_to": whole.up_to}
    ).fetchone() or (None,)
    bounds = ["", *sorted(set(row[0] or ())), None]
    return [replace(whole, after=after or "", last=last) for after, last in pairwise(bounds)]


def _watch(conninfo: str, shares: Sequence[Share], told: Callable[[int], None]) -> Counter[str]:
    """Have each share loaded by a process of its own, and add up what they say."""
    counted: Counter[str] = Counter()
    events: dict[int, int] = {}
    with _working(conninfo, shares) as workers, DefaultSelector() as selector:
        for worker in workers:
            assert worker.stdout is not None  # noqa: S101  # it is a pipe
            selector.register(worker.stdout, EVENT_READ, worker)
        while selector.get_map():
            for key, _ in selector.select():
                worker = key.data
                line = worker.stdout.readline()
                said = _decode(line) if line else Told(fault=f"it ended with exit code {worker.wait()}")
                if said.fault is not None:
                    raise NotLoaded(said.fault)
                events[worker.pid] = said.events
                told(sum(events.values()))
                if said.counted is not None:
                    counted.update(said.counted)
                    selector.unregister(worker.stdout)
    return counted


@contextmanager
def _working(conninfo: str, shares: Sequence[Share]) -> Iterator[list[Worker]]:
    """Give a process at work for each share; none is left at the end of the block."""
    workers: list[Worker] = []
    try:
        for share in shares:
            worker = subprocess.Popen(
                [sys.executable, "-m", "projector.load_share"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env={**os.environ, DSN_VARIABLE: conninfo},
                bufsize=0,  # a line that waits in a buffer here would not wake the selector
                start_new_session=True,  # Ctrl-C in the terminal reaches only the one that watches
            )
            workers.append(worker)
            assert worker.stdin is not None  # noqa: S101  # it is a pipe
            with suppress(BrokenPipeError):  # it has ended already, and is found to have
                worker.stdin.write(json.encode(share) + b"\n")
        yield workers
    finally:
        for worker in workers:
            worker.kill()
            worker.communicate()
