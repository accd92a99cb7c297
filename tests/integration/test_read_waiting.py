"""Reading what was just written: min_position, the waiter behind it, and a database that does not answer."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from itertools import count
from time import monotonic
from typing import Any

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from db import waiting
from db.pool import Connection, Dsns
from db.waiting import Waiter
from read_side import snapshots
from read_side.statements import Answer, Statements
from tests.conftest import Clone
from tests.integration.reading import Projected, day, projected, reading, registered, revised, uid

_numbers = count()


@pytest.fixture
def conninfo(clone: Clone) -> Iterator[str]:
    with clone() as conninfo:
        yield conninfo


@pytest.fixture
def book(conninfo: str) -> Iterator[Projected]:
    with projected(conninfo) as book:
        yield book


def advance(connection: psycopg.Connection[Any], position: int, *, say: bool) -> None:
    connection.execute("UPDATE read_model.checkpoint SET position = %s, recorded_at = now()", (position,))
    if say:
        connection.execute("SELECT pg_notify('cockpit_projected', 'a hint')")


async def waited(conninfo: str, book: Projected, *, say: bool) -> float:
    """Return how long a waiter of position 5 took after the position was there."""
    waiter = Waiter(Dsns(conninfo).of("read"))
    await waiter.start()
    try:
        assert not await waiter.wait_for(5, 0.5)
        waiting = asyncio.create_task(waiter.wait_for(5, 10))
        await asyncio.sleep(0)
        await asyncio.to_thread(advance, book.connection, 5, say=say)
        started = monotonic()
        assert await waiting
        return monotonic() - started
    finally:
        await waiter.stop()


def test_who_waits_is_woken_by_the_notification(conninfo: str, book: Projected) -> None:
    assert asyncio.run(waited(conninfo, book, say=True)) < 2


def test_a_lost_notification_delays_a_reader_and_loses_nobody(conninfo: str, book: Projected) -> None:
    assert asyncio.run(waited(conninfo, book, say=False)) < 5


def test_a_word_lets_go_who_asks_anew_and_nobody_else(conninfo: str, book: Projected) -> None:
    async def scenario() -> None:
        waiter = Waiter(Dsns(conninfo).of("read"))
        await waiter.start()
        word, proof = (asyncio.create_task(wait) for wait in (waiter.wait_for_word(5, 10), waiter.wait_for(5, 0.5)))
        await asyncio.sleep(0.1)  # both wait
        started = monotonic()
        await asyncio.to_thread(book.connection.execute, "SELECT pg_notify('cockpit_projected', '5')")
        await word
        assert monotonic() - started < 5
        assert (await proof, waiter.position) == (False, 0)
        await waiter.stop()

    asyncio.run(scenario())


def test_a_position_that_is_there_already_is_not_waited_for_even_if_told_before(conninfo: str, book: Projected) -> None:
    async def scenario() -> None:
        waiter = Waiter(Dsns(conninfo).of("read"))
        await waiter.start()
        await asyncio.to_thread(advance, book.connection, 3, say=True)
        assert await waiter.wait_for(3, 10)
        assert await waiter.wait_for(2, 0)
        await waiter.stop()
        await waiter.stop()

    asyncio.run(scenario())


def test_while_nobody_waits_what_is_said_is_looked_into_together(
    conninfo: str, book: Projected, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "PACE_SECONDS", 60)
    reads: list[None] = []
    begun = asyncio.Event()
    read = Waiter._read

    async def counted(waiter: Waiter, connection: Connection) -> None:
        await read(waiter, connection)
        reads.append(None)
        begun.set()

    monkeypatch.setattr(Waiter, "_read", counted)

    async def scenario() -> None:
        waiter = Waiter(Dsns(conninfo).of("read"))
        await waiter.start()
        await begun.wait()
        for position in range(3, 30):
            await asyncio.to_thread(advance, book.connection, position, say=True)
        assert len(reads) == 1
        assert await waiter.wait_for(29, 10)  # who comes waits for no pause
        assert len(reads) <= 3
        await waiter.stop()

    asyncio.run(scenario())


@pytest.mark.parametrize("turns", range(4))
def test_a_waiter_that_is_stopped_as_somebody_begins_to_wait_comes_to_its_end(
    turns: int, conninfo: str, book: Projected, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "PACE_SECONDS", 60)

    async def scenario() -> None:
        waiter = Waiter(Dsns(conninfo).of("read"))
        await waiter.start()
        await asyncio.to_thread(advance, book.connection, 3, say=True)
        await asyncio.sleep(0.2)  # it pauses now
        asking = asyncio.create_task(waiter.wait_for(2**40, 0.1))
        for _ in range(turns):
            await asyncio.sleep(0)
        async with asyncio.timeout(5):
            await waiter.stop()
        await asyncio.gather(asking, return_exceptions=True)

    asyncio.run(scenario())


def test_the_waiter_comes_back_when_its_connection_is_cut(conninfo: str, book: Projected) -> None:
    async def scenario() -> None:
        waiter = Waiter(Dsns(conninfo).of("read"))
        await waiter.start()
        await asyncio.to_thread(advance, book.connection, 3, say=True)
        assert await waiter.wait_for(3, 10)
        await asyncio.to_thread(cut, book.connection)
        await asyncio.to_thread(advance, book.connection, 4, say=True)
        assert await waiter.wait_for(4, 10)
        await waiter.stop()

    asyncio.run(scenario())


def cut(connection: psycopg.Connection[Any]) -> None:
    connection.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )


def test_a_read_waits_until_the_read_model_has_the_position(conninfo: str, book: Projected) -> None:
    book.happen(1, day(1), registered("Jane"))
    with reading(conninfo, wait_seconds=10) as client:
        assert client.portal is not None
        asking = client.portal.start_task_soon(
            asyncio.to_thread, client.get, f"/api/v1/entities/{uid(1)}?min_position=2"
        )
        book.happen(1, day(2), revised("Jane Updated"))
        answer = asking.result(20)
        assert (answer.headers["position"], answer.json()["display_name"]) == ("2", "Jane Updated")


def test_a_read_that_waits_too_long_is_told_to_try_again(conninfo: str, book: Projected) -> None:
    with reading(conninfo, wait_seconds=0.1) as client:
        answer = client.get("/api/v1/entities?min_position=1")
        assert answer.status_code == 503
        assert answer.headers["retry-after"] == "1"
        assert "has not reached 1" in answer.json()["detail"]


def test_a_read_believes_no_word_of_a_position(conninfo: str, book: Projected) -> None:
    with reading(conninfo, wait_seconds=1) as client:
        assert client.portal is not None
        asking = client.portal.start_task_soon(asyncio.to_thread, client.get, "/api/v1/entities?min_position=1")
        for _ in range(5):
            book.connection.execute("SELECT pg_notify('cockpit_projected', '1')")
        assert asking.result(20).status_code == 503


def test_a_read_asks_only_when_the_position_may_be_there(
    conninfo: str, book: Projected, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    waits = threading.Event()
    ask, wait = Statements.ask, Waiter.wait_for_word

    async def counted(self: Statements, name: str, params: dict[str, Any], *, prepare: bool) -> Answer:
        asked.append(name)
        return await ask(self, name, params, prepare=prepare)

    async def waiting(self: Waiter, position: int, timeout: float) -> None:  # noqa: ASYNC109  # as it has it
        waits.set()
        await wait(self, position, timeout)

    monkeypatch.setattr(Statements, "ask", counted)
    monkeypatch.setattr(Waiter, "wait_for_word", waiting)
    monkeypatch.setattr(snapshots, "AT_FIRST_SECONDS", 10)
    book.happen(1, day(1), registered("Jane"))
    with reading(conninfo, wait_seconds=10) as client:
        assert client.portal is not None
        path = f"/api/v1/entities/{uid(1)}?min_position=2"
        asking = client.portal.start_task_soon(asyncio.to_thread, client.get, path)
        assert waits.wait(10)
        book.happen(1, day(2), revised("Jane Updated"))
        assert asking.result(20).json()["display_name"] == "Jane Updated"
        assert asked == ["read/get_entity"]
        waits.clear()
        assert client.get(path).status_code == 200
        assert not waits.is_set()  # what an answer had is there


def test_an_empty_read_model_answers_for_now(conninfo: str, book: Projected) -> None:
    with reading(conninfo) as client:
        answer = client.get("/api/v1/entities")
        assert (answer.json()["results"], answer.headers["position"]) == ([], "0")
        assert answer.headers["as-of"] > "2024"


def test_what_was_recorded_ahead_of_the_clock_is_not_in_the_future(conninfo: str, book: Projected) -> None:
    book.happen(1, day(1), registered("Jane"), day(40_000))
    with reading(conninfo) as client:
        assert client.get("/api/v1/entities").headers["as-of"].startswith("2133")


def allow(server: str, conninfo: str, *, connections: bool) -> None:
    """Let the database take connections, or refuse new ones and cut those it has."""
    name = conninfo_to_dict(conninfo)["dbname"]
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(
            sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS {}").format(
                sql.Identifier(str(name)), sql.SQL("true" if connections else "false")
            )
        )
        if not connections:
            connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,))


def test_a_database_that_does_not_answer_is_503_and_comes_back(server: str, conninfo: str) -> None:
    with reading(conninfo) as client:
        assert client.get("/api/v1/entities").status_code == 200
        allow(server, conninfo, connections=False)
        for path in ("entities", f"entities/{uid(1)}?min_position=7"):
            answer = client.get(f"/api/v1/{path}")
            assert (answer.status_code, answer.headers.get("retry-after")) == (503, "1"), answer.text
        allow(server, conninfo, connections=True)
        deadline = monotonic() + 20
        while (answer := client.get("/api/v1/entities")).status_code == 503:
            assert monotonic() < deadline
        assert answer.status_code == 200
