"""`rebuild --offline`: whatever was in the tables, they are what the log says; ended half way, the next one goes on."""

from __future__ import annotations

import asyncio

import psycopg
import pytest

from db.pool import Dsns
from projector import rebuild
from projector.rebuild import ProjectorRunning, rebuild_offline
from projector.worker import LEADER_LOCK
from tests import oracle
from tests.integration.projecting import JOHN, Histories, add, execute, fetch, fold_all, tables


def rebuilt(conninfo: str) -> int:
    return asyncio.run(rebuild_offline(Dsns(conninfo).of("project"), lambda _: None))


def test_it_brings_back_what_was_damaged(database: str) -> None:
    Histories(1).extend(database, 100)
    asyncio.run(fold_all(database))
    right = tables(database)
    for table in ("entity_version", "audit_entry"):
        execute(database, f"DELETE FROM read_model.{table}")  # noqa: S608  # names of ours
    execute(
        database,
        "UPDATE read_model.entity_head SET version = 99",
        "INSERT INTO read_model.parked_event VALUES (5, 'x', '')",
    )
    assert rebuilt(database) == 100
    assert tables(database) == right
    assert rebuilt(database) == 100
    assert tables(database) == right


def test_an_empty_log_makes_an_empty_read_model(database: str) -> None:
    assert rebuilt(database) == 0
    assert not any(tables(database).values())


def test_it_is_refused_while_a_projector_leads_and_touches_nothing(database: str) -> None:
    add(database, 1, JOHN)
    asyncio.run(fold_all(database))
    right = tables(database)
    with psycopg.connect(Dsns(database).of("project"), autocommit=True) as leader:
        leader.execute("SELECT pg_advisory_lock(%s, %s)", LEADER_LOCK)
        with pytest.raises(ProjectorRunning):
            rebuilt(database)
    assert tables(database) == right


def test_ended_half_way_the_next_projector_goes_on_from_there(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    Histories(2).extend(database, 60)
    asyncio.run(fold_all(database))
    right = tables(database)
    monkeypatch.setattr(rebuild, "BATCH_EVENTS", 25)

    class Ended(Exception):
        pass

    def end(position: int) -> None:
        if position >= 50:
            raise Ended

    with pytest.raises(Ended):
        asyncio.run(rebuild_offline(Dsns(database).of("project"), end))
    assert fetch(database, "SELECT position FROM read_model.checkpoint") == [(50,)]
    with psycopg.connect(database) as connection:
        oracle.check(connection)
    asyncio.run(fold_all(database))
    assert tables(database) == right
