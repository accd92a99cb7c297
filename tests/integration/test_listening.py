"""Who listens, and that a run is begun by the word of it: PostgreSQL wakes all who listen at every notification."""

from __future__ import annotations

import asyncio
from pathlib import Path

import psycopg
import pytest

from db.queries import statement
from tests.acceptance.processes import is_ready, running
from tests.integration.projecting import JOHN, add, come_true, execute, fetch, run, working
from tests.integration.proxy import proxied

LATEST = "SELECT phase FROM projection.rebuild ORDER BY id DESC LIMIT 1"
OF_RUNS = "application_name = 'cockpit-rebuild' AND datname = current_database()"
READER_AND_PROJECTOR = 2


def ask_for_check(conninfo: str) -> None:
    values = {"kind": "check", "entity_uid": None, "requested_by": "tester", "stream": None}
    with psycopg.connect(conninfo) as connection:
        connection.execute(statement("write/ask_for_rebuild"), values)


def is_done(conninfo: str) -> bool:
    return fetch(conninfo, LATEST) == [("done",)]


def test_a_service_listens_on_two_connections(database: str, tmp_path: Path) -> None:
    """Each that does costs the server some 100 µs a command, whatever it listens for."""

    async def work() -> None:
        async with proxied(database) as proxy:
            with running("serve", folder=tmp_path, database_url=proxy.conninfo) as service:
                url = await asyncio.to_thread(lambda: service.url)
                await come_true(lambda: is_ready(url), 20)
                ask_for_check(database)
                await come_true(lambda: is_done(database), 20)
                assert await asyncio.to_thread(service.stop) == 0
            assert len(proxy.listening) == READER_AND_PROJECTOR

    run(work())


def test_a_run_is_begun_by_the_word_of_it(database: str) -> None:
    add(database, 1, JOHN)

    async def work() -> None:
        async with working(database, poll_seconds=600):
            await come_true(lambda: fetch(database, "SELECT position FROM read_model.checkpoint") == [(1,)])
            for _ in range(2):
                ask_for_check(database)
                await come_true(lambda: is_done(database), 20)

    run(work())


@pytest.mark.parametrize("poll_seconds", [0.1, 600])
def test_a_run_is_begun_although_the_connection_for_runs_was_lost(database: str, poll_seconds: float) -> None:
    async def work() -> None:
        async with working(database, poll_seconds=poll_seconds):
            looking = f"SELECT pid FROM pg_stat_activity WHERE {OF_RUNS} AND query ~ 'projection.rebuild'"  # noqa: S608  # of ours
            await come_true(lambda: fetch(database, f"{looking} AND state = 'idle'"))
            execute(database, f"SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE {OF_RUNS}")  # noqa: S608  # as above
            ask_for_check(database)
            await come_true(lambda: is_done(database), 20)

    run(work())
