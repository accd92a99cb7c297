"""The projector's health check fails when the projector does: absent, hanging, or not moving."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from db.pool import Dsns
from projector.alive import trouble
from projector.worker import LEADER_LOCK, Worker

HOME = Path(__file__).resolve().parents[2]


def own(conninfo: str) -> str:
    """The projector's conninfo as its login, as the health check has it."""
    return Dsns(conninfo, with_roles=False).of("project")


def check(conninfo: str) -> str | None:
    return trouble(own(conninfo), quiet=5, patience=0.3)


@contextmanager
def session(conninfo: str, *, leads: bool) -> Iterator[None]:
    """A session that could be a projector's, which has just asked something."""
    with psycopg.connect(Dsns(conninfo).of("project"), autocommit=True) as connection:
        if leads:
            connection.execute("SELECT pg_advisory_lock(%s, %s)", LEADER_LOCK)
        connection.execute("SELECT 1")
        yield


def fall_behind(conninfo: str) -> None:
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute("UPDATE read_model.checkpoint SET position = -1")


def test_no_projector_is_trouble(database: str) -> None:
    assert check(database) == "the projector has asked the database nothing for 5 s"


def test_a_projector_that_nobody_leads_is_trouble(database: str) -> None:
    with session(database, leads=False):
        assert check(database) == "no projector leads"


def test_a_projector_that_asks_nothing_is_trouble(database: str) -> None:
    with session(database, leads=True):
        assert trouble(own(database), quiet=0, patience=0) == "the projector has asked the database nothing for 0 s"


def test_a_read_model_that_is_behind_and_does_not_move_is_trouble(unchecked_database: str) -> None:
    fall_behind(unchecked_database)
    with session(unchecked_database, leads=True):
        assert check(unchecked_database) == "the read model is behind and does not move"


@pytest.mark.anyio
async def test_a_projector_at_work_is_none(database: str) -> None:
    worker = Worker(Dsns(database).of("project"), poll_seconds=0.1, batch_events=100)
    running = asyncio.create_task(worker.run())
    try:
        async with asyncio.timeout(20):
            while await asyncio.to_thread(check, database) is not None:  # noqa: ASYNC110  # nothing tells
                await asyncio.sleep(0.05)
    finally:
        worker.stop()
        await running


@pytest.mark.parametrize(
    ("url", "line"),
    [("", "set COCKPIT_DATABASE_URL"), ("host=127.0.0.1 port=1", "the database does not answer")],
)
def test_the_command_says_in_one_line_what_is_wrong(url: str, line: str, tmp_path: Path) -> None:
    environment = {"PYTHONPATH": str(HOME)} | ({"COCKPIT_DATABASE_URL": url} if url else {})
    ran = subprocess.run(
        [sys.executable, "-m", "projector.alive"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 1
    assert ran.stderr.startswith(line)
