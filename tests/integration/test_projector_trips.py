"""What a batch costs, counted: how often the projector waits for the database, and how many statements it sends."""

from __future__ import annotations

import re
import tempfile
from collections import Counter
from collections.abc import Awaitable

from psycopg.pq import Trace

from db.pool import Connection
from projector.batch import Batch, Projection
from shared.core.events import EntityRetired, EntityRevised
from tests.integration.projecting import JOHN, add, projecting, revised, run

READ, KNOWN, WRITE = 1, 1, 1
"""Round trips: the events, what is known of their entities, and the transaction with its end."""


async def traced(connection: Connection, work: Awaitable[Batch | None]) -> Counter[str]:
    """Return the messages sent while `work` was done, by kind: each Sync or Query is one round trip."""
    with tempfile.TemporaryFile("w+") as file:
        connection.pgconn.trace(file.fileno())
        connection.pgconn.set_trace_flags(Trace.SUPPRESS_TIMESTAMPS)
        try:
            assert await work
        finally:
            connection.pgconn.untrace()
        file.seek(0)
        return Counter(re.findall(r"^F\t\d+\t(\w+)", file.read(), flags=re.MULTILINE))


def trips(sent: Counter[str]) -> int:
    return sent["Sync"] + sent["Query"]


async def warm(conninfo: str, projection: Projection) -> None:
    """Let what a batch asks and writes be prepared once: that takes round trips of its own."""
    add(conninfo, 99, JOHN, revised("Jo"))
    while await projection.advance(1):
        pass


def test_an_event_is_visible_after_two_round_trips_where_its_entity_is_new_or_was_folded_lately(
    database: str,
) -> None:
    async def work() -> None:
        async with projecting(database) as (connection, projection):
            await warm(database, projection)
            for event in (JOHN, revised("Jo"), EntityRevised(details={"PHONE": "1"}), EntityRetired()):
                add(database, 1, event)
                assert trips(await traced(connection, projection.advance(10))) == READ + WRITE

    run(work())


def test_what_a_lone_event_takes_is_planned_once(database: str) -> None:
    """PostgreSQL plans anew at every call what looks cheaper for the one key of it than for any number."""
    for number in range(100):
        add(database, number, JOHN)

    async def plans(connection: Connection) -> tuple[int, int]:
        summed = "SELECT sum(generic_plans)::int, sum(custom_plans)::int FROM pg_prepared_statements"
        cursor = await connection.execute(f"{summed} WHERE name LIKE 'projector/%'", prepare=False)
        row = await cursor.fetchone()
        assert row is not None
        return row

    async def work() -> None:
        async with projecting(database) as (_, projection):
            await projection.advance(1000)
        async with projecting(database) as (connection, projection):
            for number in range(20):
                add(database, number, revised("Jo"))
                add(database, 1000 + number, JOHN)
                while await projection.advance(1):
                    pass
            kept, planned = await plans(connection)
            assert planned == 0 < kept

    run(work())


def test_to_know_other_entities_takes_one_round_trip_more(database: str) -> None:
    add(database, 1, JOHN)
    add(database, 2, JOHN)

    async def work() -> None:
        async with projecting(database) as (_, projection):
            await projection.advance(10)
        async with projecting(database) as (connection, projection):
            await warm(database, projection)
            for number, event in ((1, revised("Jo")), (2, EntityRetired())):
                add(database, number, event)
                assert trips(await traced(connection, projection.advance(10))) == READ + KNOWN + WRITE

    run(work())


def test_neither_the_round_trips_nor_the_statements_of_a_batch_grow_with_its_events(database: str) -> None:
    async def cost(connection: Connection, projection: Projection, *numbers: int) -> tuple[int, int]:
        for number in numbers:
            add(database, number, JOHN, revised("Jo"))
        sent = await traced(connection, projection.advance(1000))
        return trips(sent), sent["Bind"] + sent["Query"]

    async def work() -> None:
        async with projecting(database) as (connection, projection):
            await warm(database, projection)
            assert await cost(connection, projection, 1) == await cost(connection, projection, *range(2, 30))

    run(work())


def test_what_comes_after_a_full_batch_is_read_once_and_folded_while_that_is_written(database: str) -> None:
    async def work() -> None:
        async with projecting(database) as (connection, projection):
            await warm(database, projection)
            for number in (1, 2, 3, 4):
                add(database, number, JOHN)
            full = await traced(connection, projection.advance(2))
            last = await traced(connection, projection.advance(3))
        assert trips(full) == 2 * READ + WRITE
        assert trips(last) == WRITE

    run(work())
