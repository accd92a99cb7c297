"""A pipeline whose questions are larger than any socket's buffer comes to its end, and so does one that fails."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import psycopg
import pytest

from db.arrays import texts
from db.pipeline import Pipeline
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
