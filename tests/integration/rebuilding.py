"""What the tests of a rebuild share: a run as the command line does it, with a look into every phase."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import psycopg

from db.pool import Dsns
from projector.perform import Outcome, perform
from projector.rebuild import Rebuilt
from projector.runs import Progress, RunKind, Runs, own
from tests.integration.projecting import Histories, fold_all

Tell = Callable[[Progress], None]


def done(
    conninfo: str,
    kind: RunKind = "rebuild",
    tell: Tell = lambda _: None,
    entity: UUID | None = None,
    dsn: str = "",
    jobs: int | None = None,
) -> Outcome:
    """Do a run to its end."""
    dsn = own(dsn or Dsns(conninfo).of("project"))
    with psycopg.connect(dsn, autocommit=True) as connection:
        runs = Runs(connection, tell)
        runs.take()
        return perform(connection, dsn, runs, runs.add(kind, "tests", entity), jobs)


def rebuilt(
    conninfo: str, kind: RunKind = "rebuild", tell: Tell = lambda _: None, dsn: str = "", jobs: int | None = None
) -> Rebuilt:
    outcome = done(conninfo, kind, tell, dsn=dsn, jobs=jobs)
    assert isinstance(outcome, Rebuilt)
    return outcome


def at_each_phase(do: Callable[[str], None]) -> Tell:
    """Do something when a phase begins."""
    seen: list[str] = []

    def tell(progress: Progress) -> None:
        if progress.phase not in seen:
            seen.append(progress.phase)
            do(progress.phase)

    return tell


def last_run(conninfo: str) -> dict[str, Any]:
    with psycopg.connect(conninfo, row_factory=psycopg.rows.dict_row) as connection:
        row = connection.execute("SELECT * FROM projection.rebuild ORDER BY id DESC LIMIT 1").fetchone()
    assert row is not None
    return row


@contextmanager
def reading(conninfo: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(Dsns(conninfo).of("read"), autocommit=True) as connection:
        yield connection


def folded(conninfo: str, seed: int = 1, events: int = 100) -> Histories:
    histories = Histories(seed)
    histories.extend(conninfo, events)
    asyncio.run(fold_all(conninfo))
    return histories


def name_of_john(conninfo: str) -> list[str]:
    with reading(conninfo) as connection:
        return [name for (name,) in connection.execute("SELECT display_name FROM entity_version ORDER BY id")]
