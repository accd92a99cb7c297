"""A pipeline whose questions are larger than any socket's buffer comes to its end, and so does one that fails."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any

import psycopg
import pytest
import uvloop

from db import asking
from db.arrays import texts
from db.pipeline import Asked, Pipeline
from db.pool import Connection

LARGE = {"streams": texts(["x" * 30_000_000]), "up_to": 1}
SMALL = {"streams": texts(["x"]), "up_to": 1}
READ = "projector/read_streams"
HEAD = "projector/read_head"


def run(conninfo: str, work: Callable[[Connection], Coroutine[Any, Any, None]]) -> None:
    async def connected() -> None:
        async with (
            asyncio.timeout(30),
            await psycopg.AsyncConnection.connect(conninfo, autocommit=True) as connection,
        ):
            await work(connection)

    asyncio.run(connected())


def test_large_questions_are_sent_to_their_end(unchecked_database: str) -> None:
    async def work(connection: Connection) -> None:
        async with Pipeline(connection) as sending:
            sending.say(b"BEGIN")
            sending.say(b"SELECT pg_sleep(0.2)")
            first = sending.ask(READ, LARGE)
            await sending.answered(first)
            second, third = sending.ask(READ, LARGE), sending.ask(HEAD, {})
            sending.say(b"COMMIT")
        assert (first.rows, second.rows, third.is_answered) == ([], [], True)

    run(unchecked_database, work)


def test_what_fails_takes_all_behind_it_along_and_leaves_a_connection_that_is_of_use(unchecked_database: str) -> None:
    async def work(connection: Connection) -> None:
        async def fail() -> None:
            async with Pipeline(connection) as sending:
                sending.say(b"BEGIN")
                sending.say(b"CREATE TABLE not_to_be ()")
                sending.say(b"SELECT 1 / 0")
                sending.ask(READ, SMALL)
                sending.say(b"COMMIT")

        with pytest.raises(psycopg.errors.DivisionByZero):
            await fail()
        await connection.rollback()
        async with Pipeline(connection) as sending:
            asked = sending.ask(READ, SMALL)  # to prepare it was passed over, too
        assert asked.is_answered
        cursor = await connection.execute("SELECT to_regclass('not_to_be')")
        assert await cursor.fetchone() == (None,)

    run(unchecked_database, work)


def test_who_waits_for_an_answer_is_told_what_failed_before_it(unchecked_database: str) -> None:
    async def work(connection: Connection) -> None:
        async def fail() -> None:
            async with Pipeline(connection) as sending:
                sending.say(b"SELECT 1 / 0")
                await sending.answered(sending.ask(READ, SMALL))

        with pytest.raises(psycopg.errors.DivisionByZero):
            await fail()
        assert not connection.closed

    run(unchecked_database, work)


@pytest.mark.parametrize("is_awaited", [True, False])
def test_a_connection_that_is_lost_is_an_error(unchecked_database: str, *, is_awaited: bool) -> None:
    async def work(connection: Connection) -> None:
        async def lose() -> None:
            async with Pipeline(connection) as sending:
                sending.say(b"SELECT pg_terminate_backend(pg_backend_pid())")
                asked = sending.ask(READ, SMALL)
                if is_awaited:
                    await sending.answered(asked)
                else:
                    await asyncio.sleep(0.2)

        with pytest.raises(psycopg.OperationalError):
            await lose()
        assert connection.closed

    run(unchecked_database, work)


def test_whoever_is_cancelled_leaves_no_answer_behind(unchecked_database: str) -> None:
    async def work(connection: Connection) -> None:
        async def wait() -> None:
            async with Pipeline(connection) as sending:
                sending.say(b"SELECT pg_sleep(0.3)")
                await sending.answered(sending.ask(READ, SMALL))

        waiting = asyncio.create_task(wait())
        await asyncio.sleep(0.1)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        cursor = await connection.execute("SELECT 7")
        assert await cursor.fetchone() == (7,)

    run(unchecked_database, work)


def test_what_was_prepared_a_while_ago_is_planned_anew(
    unchecked_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def planned(connection: Connection, *before: bytes) -> object:
        async with Pipeline(connection) as sending:
            for command in before:
                sending.say(command)
            sending.ask(READ, SMALL)
        cursor = await connection.execute("SELECT prepare_time FROM pg_prepared_statements WHERE name = %s", [READ])
        return await cursor.fetchone()

    async def work(connection: Connection) -> None:
        first, again = await planned(connection), await planned(connection)
        assert first == again is not None
        monkeypatch.setattr(asking, "PLANNED_SECONDS", 0)
        anew = await planned(connection)
        assert anew != again
        with pytest.raises(psycopg.errors.DivisionByZero):
            await planned(connection, b"SELECT 1 / 0")  # to forget it and to prepare it are passed over
        assert await planned(connection) != anew
        assert await asking.ask(connection, READ, SMALL, prepare=True) == []

    run(unchecked_database, work)


@pytest.mark.parametrize("size", [100, 9_000, 2_000_000])
def test_a_server_that_ends_it_with_questions_unread_is_noticed(unchecked_database: str, size: int) -> None:
    """libuv tells once of a socket that is in error, and what is read then is not the end."""

    async def wait(connection: Connection) -> None:
        async with Pipeline(connection) as sending:
            sending.say(b"SELECT pg_sleep(60)")
            for _ in range(max(size // 1000, 1)):
                sending.ask(READ, {"streams": texts(["x" * min(size, 1000)]), "up_to": 1})

    async def end(pid: int) -> None:
        async with await psycopg.AsyncConnection.connect(unchecked_database, autocommit=True) as other:
            await asyncio.sleep(0.3)
            await other.execute("SELECT pg_terminate_backend(%s)", [pid])

    async def be_busy() -> None:
        while True:
            time.sleep(0.01)  # noqa: ASYNC251  # the loop has other things to do
            await asyncio.sleep(0.001)

    async def work() -> None:
        async with await psycopg.AsyncConnection.connect(unchecked_database, autocommit=True) as connection:
            busy = asyncio.create_task(be_busy())
            ending = asyncio.create_task(end(connection.info.backend_pid))
            with pytest.raises(psycopg.OperationalError):
                async with asyncio.timeout(20):
                    await wait(connection)
            busy.cancel()
            await ending
            assert connection.closed

    uvloop.run(work())


def test_an_answer_that_cannot_be_read_is_an_error_where_it_is_waited_for(
    unchecked_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise ValueError("no such thing")

    async def work(connection: Connection) -> None:
        async def read() -> None:
            async with Pipeline(connection) as sending:
                asked = sending.ask(READ, SMALL)
                monkeypatch.setattr(Asked, "take", refuse)
                await sending.answered(asked)

        with pytest.raises(ValueError, match="no such thing"):
            await read()
        assert connection.closed

    run(unchecked_database, work)
