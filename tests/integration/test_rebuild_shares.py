"""A rebuild by several processes: the same tables as by one, and none of them outlives the others."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from db.pool import Dsns
from projector.loading import SetGone, Share, load, pages
from projector.runs import DSN_VARIABLE
from projector.sets import Sets
from projector.shares import NotLoaded, divide
from shared.core.codec import POSITION
from shared.core.events import ExternalKeyClaimed, external_key_stream
from tests.acceptance.processes import until
from tests.appending import Append, append
from tests.integration.projecting import BEGINNING, Histories, execute, fetch, fold_all, run, tables, uid
from tests.integration.rebuilding import last_run, rebuilt

REBUILD = """
import os, psycopg
from projector import runs, shares
from projector.perform import perform
shares.LEAST_EVENTS = 1
with psycopg.connect(os.environ[runs.DSN_VARIABLE], autocommit=True) as connection:
    doing = runs.Runs(connection)
    doing.take()
    perform(connection, os.environ[runs.DSN_VARIABLE], doing, doing.add("rebuild", "tests"), 2)
"""

NOT_THERE = (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName)


@pytest.fixture
def shared_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a few events be worth a process."""
    monkeypatch.setattr("projector.shares.LEAST_EVENTS", 1)


def filled(conninfo: str, seed: int, foreign: float = 0) -> None:
    """Append lives of some entities, types and keys; some of it perhaps cannot be folded."""
    histories = Histories(seed, foreign)
    histories.extend(conninfo, 150)
    with psycopg.connect(conninfo) as connection:
        for number in range(1, 20):
            claimed = ExternalKeyClaimed("crm", f"Nr. {number}", uid(number % 6 + 1))
            append(connection, Append(stream=external_key_stream("crm", claimed.external_id), events=[claimed]))
    run(fold_all(conninfo))


def children(pid: int) -> set[int]:
    """Return the processes that a process began and that still run."""
    found = set()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            name, _, rest = stat.read_text().rpartition(")")
            state, parent = rest.split()[:2]
            if int(parent) == pid and state != "Z":
                found.add(int(name.split()[0]))
    return found


def loading(pid: int) -> set[int]:
    """Return those of them that load a share."""
    found = set()
    for child in children(pid):
        with contextlib.suppress(OSError):
            if b"projector.load_share\0" in Path(f"/proc/{child}/cmdline").read_bytes():
                found.add(child)
    return found


@contextlib.contextmanager
def nothing_can_be_copied(conninfo: str) -> Iterator[None]:
    """Hold back who would fill a table of the next set, from when it is there on."""
    stopping = threading.Event()

    def hold() -> None:
        with psycopg.connect(conninfo, autocommit=True) as connection:
            while not stopping.wait(0.01):
                with contextlib.suppress(*NOT_THERE), connection.transaction():
                    connection.execute("LOCK TABLE read_model_next.entity_version IN SHARE MODE")
                    stopping.wait()

    thread = threading.Thread(target=hold)
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        thread.join()


@pytest.mark.usefixtures("shared_out")
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_however_many_load_the_tables_are_the_same(unchecked_database: str, seed: int) -> None:
    database = unchecked_database
    filled(database, seed, foreign=0.05 if seed == 3 else 0)
    right = tables(database)
    for jobs in (1, 2, 5):
        execute(database, "DELETE FROM read_model.entity_version", "DELETE FROM read_model.external_key")
        assert {one.table for one in rebuilt(database, jobs=jobs).differences} == {"entity_version", "external_key"}
        assert tables(database) == right


def test_in_whatever_portions_it_is_loaded_the_tables_are_the_same(
    unchecked_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = unchecked_database
    filled(database, 9)
    right = tables(database)
    for name, number in {"loading.PAGE_EVENTS": 7, "loading.PORTION_EVENTS": 5, "runs.TELL_SECONDS": 0}.items():
        monkeypatch.setattr(f"projector.{name}", number)
    execute(database, "DELETE FROM read_model.entity_version")
    assert {one.table for one in rebuilt(database).differences} == {"entity_version"}
    assert tables(database) == right


def test_every_event_is_in_one_share(database: str) -> None:
    filled(database, 4)
    whole = Share(0, fetch(database, "SELECT max(position) FROM log.event")[0][0], BEGINNING)
    with psycopg.connect(database) as connection:
        every = list(pages(connection, whole))
        for count in (1, 2, 3, 100):
            shares = divide(connection, whole, count)
            assert [row for share in shares for row in pages(connection, share)] == every
            assert min(count, 2) <= len(shares) <= count
    assert sorted(row[POSITION] for row in every) == list(range(1, whole.up_to + 1))


@pytest.mark.usefixtures("shared_out")
def test_where_one_is_killed_all_end_and_the_next_rebuild_begins_anew(database: str) -> None:
    filled(database, 5)
    right = tables(database)
    begun: list[set[int]] = []

    def kill() -> None:
        until(lambda: len(loading(os.getpid())) == 2, 60)
        begun.append(loading(os.getpid()))
        os.kill(min(begun[0]), signal.SIGKILL)

    killer = threading.Thread(target=kill)
    with nothing_can_be_copied(database):
        killer.start()
        with pytest.raises(NotLoaded, match="-9"):
            rebuilt(database, jobs=2)
        killer.join()
    assert not begun[0] & children(os.getpid())
    assert last_run(database)["phase"] == "failed"
    assert rebuilt(database, jobs=2).differences == []
    assert tables(database) == right


@pytest.mark.usefixtures("shared_out")
def test_what_is_wrong_in_a_share_is_told(database: str) -> None:
    filled(database, 6)
    dsn = Dsns(database).of("project").replace("lock_timeout=5s", "lock_timeout=200ms")
    with nothing_can_be_copied(database), pytest.raises(NotLoaded, match="lock timeout"):
        rebuilt(database, jobs=2, dsn=dsn)
    assert last_run(database)["phase"] == "failed"
    assert "lock timeout" in last_run(database)["error"]


def test_who_is_killed_leaves_nobody_at_work(database: str) -> None:
    filled(database, 7)
    right = tables(database)
    environment = {**os.environ, DSN_VARIABLE: Dsns(database).of("project")}
    with nothing_can_be_copied(database):
        with subprocess.Popen([sys.executable, "-c", REBUILD], env=environment) as process:
            until(lambda: len(loading(process.pid)) == 2, 60)
            workers = loading(process.pid)
            process.kill()
        until(lambda: not any(Path(f"/proc/{worker}").exists() for worker in workers), 30)
    assert rebuilt(database).differences == []
    assert tables(database) == right


def test_tables_of_another_rebuild_are_let_alone(database: str) -> None:
    filled(database, 8)
    with psycopg.connect(Dsns(database).of("project"), autocommit=True) as connection:
        Sets(connection).begin()
        connection.execute("INSERT INTO read_model_next.checkpoint SELECT * FROM read_model.checkpoint")
        with pytest.raises(SetGone):
            load(connection, Share(1, 100, BEGINNING), lambda _: None)
        assert connection.execute("SELECT count(*) FROM read_model_next.audit_entry").fetchone() == (0,)
