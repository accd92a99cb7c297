"""Connections at hand, and statements asked without a cursor: what goes wrong is told as psycopg would tell it."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import psycopg
import pytest

from db import arrays, asking, queries
from db.pool import AT_HAND, Connection, Pool, make_pool
from tests.conftest import Clone

pytestmark = pytest.mark.anyio
STATEMENTS = {
    "told": "SELECT %(number)s::bigint, %(at)s::timestamptz, %(text)s::text, '100%%', %(number)s::bigint + 1",
    "refused": "SELECT 1 / %(number)s::bigint",
    "counted": "SELECT cardinality(%(uids)s::uuid[])",
    "changing": "SELECT * FROM public.changing",
    "slow": "SELECT pg_sleep(%(seconds)s::float)",
}


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(autouse=True)
def statements(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Statements of the tests' own."""
    for name, text in STATEMENTS.items():
        (tmp_path / f"{name}.sql").write_text(text, encoding="utf-8")
    monkeypatch.setattr(queries, "SQL", tmp_path)


@asynccontextmanager
async def pool(clone: Clone, size: int = 4) -> AsyncIterator[Pool]:
    with clone() as conninfo:
        async with make_pool(conninfo, size) as pool:
            yield pool


@pytest.mark.parametrize("prepare", [True, False])
async def test_values_go_in_and_come_out_as_they_are(clone: Clone, *, prepare: bool) -> None:
    at = datetime(2024, 2, 29, 12, 30, 0, 5, tzinfo=UTC)
    async with pool(clone) as given, given.connection() as connection:
        for number, text in ((2**40, "%ä"), (1, None)):
            params = {"number": number, "at": at, "text": text}
            rows = await asking.ask(connection, "told", params, prepare=prepare)
            assert rows == [(number, at, text, "100%", number + 1)]
        nothing = dict.fromkeys(("number", "at", "text"))
        assert await asking.ask(connection, "told", nothing, prepare=prepare) == [(None, None, None, "100%", None)]


async def test_what_is_refused_is_the_error_of_that_question_alone(clone: Clone) -> None:
    async with pool(clone) as given, given.connection() as connection:
        with pytest.raises(psycopg.errors.DivisionByZero):
            await asking.ask(connection, "refused", {"number": 0}, prepare=True)
        assert await asking.ask(connection, "refused", {"number": 1}, prepare=True) == [(1,)]


async def test_a_question_that_no_socket_holds_is_sent_to_its_end(clone: Clone) -> None:
    many = arrays.uuids([UUID(int=number) for number in range(400_000)])
    async with pool(clone) as given, given.connection() as connection:
        assert await asking.ask(connection, "counted", {"uids": many}, prepare=True) == [(400_000,)]


async def test_what_was_prepared_a_while_ago_is_planned_anew(clone: Clone, monkeypatch: pytest.MonkeyPatch) -> None:
    async def planned(connection: Connection) -> object:
        cursor = await connection.execute("SELECT prepare_time FROM pg_prepared_statements WHERE name = 'refused'")
        return await cursor.fetchone()

    async with pool(clone) as given, given.connection() as connection:
        times = []
        for seconds in (60, 60, 0):
            monkeypatch.setattr(asking, "PLANNED_SECONDS", seconds)
            assert await asking.ask(connection, "refused", {"number": 1}, prepare=True) == [(1,)]
            times.append(await planned(connection))
        assert times[0] == times[1] != times[2] is not None


async def test_what_was_prepared_may_be_forgotten(clone: Clone) -> None:
    async with pool(clone) as given, given.connection() as connection:
        for _ in range(2):
            assert await asking.ask(connection, "refused", {"number": 1}, prepare=True) == [(1,)]
            await connection.execute("DEALLOCATE ALL")


async def test_whoever_is_cancelled_leaves_no_answer_to_others(clone: Clone) -> None:
    async with pool(clone, 2) as given:
        connection = await given.getconn()
        task = asyncio.create_task(asking.ask(connection, "slow", {"seconds": 30}, prepare=True))
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert connection.closed
        await given.putconn(connection)
        async with given.connection() as other:
            assert await asking.ask(other, "refused", {"number": 1}, prepare=True) == [(1,)]


async def test_a_connection_at_hand_is_given_again_and_one_that_died_is_not(clone: Clone) -> None:
    async with pool(clone) as given:
        first = await given.getconn()
        await given.putconn(first)
        again = await given.getconn()
        assert again is first
        await given.putconn(again)
        async with await psycopg.AsyncConnection.connect(first.info.dsn, password=first.info.password) as killer:
            ended = await killer.execute("SELECT pg_terminate_backend(%s, 10000)", [first.info.backend_pid])
            assert await ended.fetchone() == (True,)
        async with given.connection() as other:
            assert await asking.ask(other, "refused", {"number": 1}, prepare=True) == [(1,)]
        assert other is not first


async def test_a_connection_that_is_lost_over_a_question_is_an_operational_error(clone: Clone) -> None:
    async with pool(clone) as given:
        connection = await given.getconn()
        asked = asyncio.create_task(asking.ask(connection, "slow", {"seconds": 30}, prepare=True))
        info = connection.info
        async with await psycopg.AsyncConnection.connect(info.dsn, password=info.password) as killer:
            await killer.execute("SELECT pg_terminate_backend(%s)", [info.backend_pid])
        with pytest.raises(psycopg.OperationalError):
            await asked
        await given.putconn(connection)


async def test_none_stays_at_hand_while_somebody_waits(clone: Clone) -> None:
    async with pool(clone, 2) as given:
        taken = [await given.getconn() for _ in range(2)]
        waiting = asyncio.create_task(given.getconn())
        await asyncio.sleep(0.05)
        await given.putconn(taken[0])
        async with asyncio.timeout(1):
            assert await waiting is taken[0]
        for connection in (taken[0], taken[1]):
            await given.putconn(connection)


async def test_a_pool_that_closes_ends_what_is_at_hand(clone: Clone) -> None:
    async with pool(clone) as given:
        taken = [await given.getconn() for _ in range(AT_HAND + 1)]
        for connection in taken:
            await given.putconn(connection)
    assert all(connection.closed for connection in taken)


async def test_an_answer_of_another_kind_than_before_is_read_as_it_is(clone: Clone) -> None:
    async with pool(clone) as given, given.connection() as connection:
        await connection.execute("CREATE TABLE public.changing (number integer)")
        await connection.execute("INSERT INTO public.changing VALUES (7)")
        assert await asking.ask(connection, "changing", {}, prepare=False) == [(7,)]
        await connection.execute("ALTER TABLE public.changing ALTER number TYPE bigint, ADD more text DEFAULT 'more'")
        assert await asking.ask(connection, "changing", {}, prepare=False) == [(7, "more")]


async def test_nothing_is_kept_of_a_connection_that_has_ended(clone: Clone) -> None:
    with clone() as conninfo:
        connection = await psycopg.AsyncConnection.connect(conninfo, autocommit=True)
        assert await asking.ask(connection, "refused", {"number": 1}, prepare=True) == [(1,)]
        await connection.close()
        ended = weakref.ref(connection)
        del connection
        gc.collect()
        assert ended() is None


async def test_where_one_statement_is_forgotten_the_others_are_asked_as_before(clone: Clone) -> None:
    async with pool(clone) as given, given.connection() as connection:
        many = arrays.uuids([UUID(int=1)])
        for _ in range(2):
            assert await asking.ask(connection, "refused", {"number": 1}, prepare=True) == [(1,)]
            assert await asking.ask(connection, "counted", {"uids": many}, prepare=True) == [(1,)]
            await connection.execute("DEALLOCATE refused")
