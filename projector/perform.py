"""What a run is for, done and written down: by the command line, or by `python -m projector.perform`."""

from __future__ import annotations

import asyncio
import os
import sys
from typing import Any
from uuid import UUID

import psycopg

from projector.rebuild import Rebuild, Rebuilt, RolledBack
from projector.refold import Refolded, refold
from projector.runs import DSN_VARIABLE, Run, Runs, end_with_input, own
from shared.core.errors import CockpitError

MOST_JOBS = 8

Outcome = Rebuilt | RolledBack | Refolded


class NoEntity(CockpitError):
    """The log has no entity {entity_uid}."""

    def __init__(self, entity_uid: UUID) -> None:
        self.entity_uid = entity_uid


def perform(
    connection: psycopg.Connection[Any], conninfo: str, runs: Runs, run: Run, jobs: int | None = None
) -> Outcome:
    """Do what a run is for, and write down what came of it, or why nothing did; by so many processes at most."""
    try:
        outcome: Outcome
        if run.kind == "entity":
            outcome = _refold(conninfo, run)
        elif run.kind == "rollback":
            outcome = Rebuild(connection, conninfo, runs, run).roll_back()
        else:
            outcome = Rebuild(connection, conninfo, runs, run, jobs or usual_jobs()).rebuild(
                switch=run.kind == "rebuild"
            )
    except BaseException as error:
        if not connection.broken:
            runs.finish(run, error=str(error) or type(error).__name__)
        raise
    runs.finish(run, outcome)
    return outcome


def usual_jobs() -> int:
    """Return how many processes work at a rebuild: one a processor, but for one that answers meanwhile.

    No more than connections can be spared for.
    """
    processors = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    return max(1, min(processors - 1, MOST_JOBS))


def _refold(conninfo: str, run: Run) -> Refolded:
    """Make one entity anew. Raises NoEntity."""

    async def work(uid: UUID) -> Refolded | None:
        async with await psycopg.AsyncConnection.connect(conninfo, autocommit=True) as connection:
            return await refold(connection, uid)

    assert run.entity_uid is not None  # noqa: S101  # a constraint of the table of runs
    refolded = asyncio.run(work(run.entity_uid))
    if refolded is None:
        raise NoEntity(run.entity_uid)
    return refolded


def main() -> None:
    """Do the run that the argument names, in a process that ends when its standard input does: with who began it.

    Exit code 1 says that nothing came of it; the run says why.
    """
    end_with_input()
    run_id, conninfo = int(sys.argv[1]), own(os.environ[DSN_VARIABLE])
    try:
        with psycopg.connect(conninfo, autocommit=True) as connection:
            runs = Runs(connection)
            runs.take()
            run = runs.begin(run_id)
            if run is not None:
                perform(connection, conninfo, runs, run)
    except CockpitError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
