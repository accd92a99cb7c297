"""What a write asks of the database: one statement a command that finds its state at hand, three a chunk of rows."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from psycopg.rows import Row

from cockpit.services import Writers
from db import asking
from db.asking import ask
from db.pool import Connection, make_pool
from db.queries import statement
from shared.core.codec import STREAM, VERSION
from shared.core.events import EntityRegistered, EntityRevised
from tests.appending import Append, append
from tests.integration.test_ingest import REQUEST, ann, events, execute, fetch, verdicts, with_writers
from write_side.appends import LATEST
from write_side.entity import Register, Revise
from write_side.event_store import MOST_STREAMS, EventStore
from write_side.external_key import ExternalKey
from write_side.upsert import Upsert

NEW = Register(display_name="Ann", entity_type="PERSON", details={"EMAIL": "a@example.com"})
APPEND, FIND, LOAD = (f"write/{name}" for name in ("append_events", "find_executed", "load_streams"))
TRANSACTIONS = "SELECT count(DISTINCT xmin::text) FROM log.event WHERE stream <> 'registry'"


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The statements that are sent, by name."""
    names = {statement(name): name for name in (APPEND, FIND, LOAD)}
    sent: list[str] = []
    execute: Callable[..., Any] = psycopg.AsyncCursor.execute

    async def watched(cursor: psycopg.AsyncCursor[Row], query: Any, *args: Any, **options: Any) -> Any:
        sent.append(names.get(query, str(query)))
        return await execute(cursor, query, *args, **options)

    async def watched_too(connection: Connection, name: str, params: Mapping[str, Any], *, prepare: bool) -> list[Any]:
        sent.append(name)
        return await ask(connection, name, params, prepare=prepare)

    monkeypatch.setattr(psycopg.AsyncCursor, "execute", watched)
    monkeypatch.setattr(asking, "ask", watched_too)
    return sent


def test_a_command_on_what_is_at_hand_is_one_statement(database: str, asked: list[str]) -> None:
    async def work(writing: Writers) -> None:
        asked.clear()
        made = await writing.handler.entity(None, NEW, REQUEST)
        uid = made.state.entity_uid
        await writing.handler.entity(uid, Revise(display_name="Bo"), REQUEST)
        await writing.handler.entity(uid, Revise(display_name="Bo"), REQUEST)
        assert asked == [APPEND] * 3

    with_writers(database, work)
    assert len(events(database)) == 2


def test_commands_that_come_while_one_is_under_way_share_the_next_transaction(database: str) -> None:
    async def work(writing: Writers) -> None:
        await asyncio.gather(*(writing.handler.entity(None, NEW, REQUEST) for _ in range(64)))

    with_writers(database, work)
    assert len(events(database)) == 64
    ((transactions,),) = fetch(database, TRANSACTIONS)
    assert transactions <= 2


def test_commands_on_what_is_not_at_hand_look_it_up_together(database: str, asked: list[str]) -> None:
    uids = [uuid4() for _ in range(64)]

    async def register(writing: Writers) -> None:
        await execute(writing.handler, [ann("Ann", None, uid) for uid in uids], named=False)

    async def revise(writing: Writers) -> None:
        asked.clear()
        commands = [writing.handler.entity(uid, Revise(display_name="Bo"), REQUEST) for uid in uids]
        assert {outcome.state.version for outcome in await asyncio.gather(*commands)} == {2}
        # the types, full rounds, and two that were begun with fewer
        assert asked.count(LOAD) <= 1 + 64 // MOST_STREAMS + 2
        assert len(asked) <= 10

    with_writers(database, register)
    with_writers(database, revise)
    assert fetch(database, "SELECT count(*) FROM log.event WHERE version = 2 AND stream <> 'registry'") == [(64,)]


def test_what_is_looked_up_together_is_each_one_s_own(database: str) -> None:
    uids = [uuid4() for _ in range(3)]
    streams = [f"entity:{uid}" for uid in uids]

    async def work(writing: Writers) -> None:
        for uid, times in zip(uids, (1, 2, 3), strict=True):
            await execute(writing.handler, [ann(f"{time}", None, uid) for time in range(times)], named=False)
        async with make_pool(database, 2) as pool:
            store = EventStore(pool)
            asked = [(stream, after, up_to) for stream in streams for after in (0, 1) for up_to in (1, 2, LATEST)]
            asked += [("entity:nobody", 0, LATEST)]
            for part, rows in zip(asked, await asyncio.gather(*(store.rows(*part) for part in asked)), strict=True):
                stream, after, up_to = part
                there = range(1, streams.index(stream) + 2) if stream in streams else ()
                assert [row[VERSION] for row in rows] == [n for n in there if after < n <= up_to]
                assert {row[STREAM] for row in rows} <= {stream}

    with_writers(database, work)


def test_a_chunk_of_rows_is_looked_up_and_appended_in_one_go(database: str, asked: list[str]) -> None:
    rows = [ann(str(n), ExternalKey("crm", str(n))) for n in range(200)]

    async def work(writing: Writers) -> None:
        asked.clear()
        assert verdicts(await execute(writing.handler, rows)) == ["registered"] * 200
        assert asked == [FIND, LOAD, APPEND]

    with_writers(database, work)
    assert fetch(database, TRANSACTIONS) == [(1,)]


def test_rows_of_one_entity_take_turns_and_those_of_others_go_together(database: str, asked: list[str]) -> None:
    rows = [ann(f"{turn}", ExternalKey("crm", str(n))) for n in range(50) for turn in range(4)]

    async def work(writing: Writers) -> None:
        asked.clear()
        told = verdicts(await execute(writing.handler, rows))
        assert (told.count("registered"), told.count("revised")) == (50, 150)
        assert asked == [FIND, LOAD, *[APPEND] * 4]

    with_writers(database, work)
    names = "SELECT payload -> 'data' ->> 'display_name' FROM log.event WHERE stream LIKE 'entity:%%' ORDER BY position"
    assert fetch(database, names) == [(f"{turn}",) for turn in range(4) for _ in range(50)]


def test_a_row_that_another_writer_was_faster_with_is_decided_again_alone(database: str, asked: list[str]) -> None:
    uids = [uuid4() for _ in range(5)]

    def revised(name: str) -> Sequence[Upsert]:
        return [Upsert(entity_uid=uid, display_name=name) for uid in uids]

    async def work(writing: Writers) -> None:
        await execute(writing.handler, [ann("Ann", None, uid) for uid in uids], named=False)
        with psycopg.connect(database) as connection:
            (last,) = fetch(database, "SELECT event_id FROM log.event WHERE stream = %s", f"entity:{uids[0]}")
            other = Append(
                stream=f"entity:{uids[0]}", events=[EntityRevised("Other")], expects={f"entity:{uids[0]}": last[0]}
            )
            assert append(connection, other)[0].verdict == "appended"
        assert verdicts(await execute(writing.handler, revised("Bo"), named=False)) == ["revised"] * 5
        assert (
            asked.count(APPEND) == 2 + 1 + 1 + 1 + 1
        )  # the types, all rows, all again, that one alone, and decided anew

    with_writers(database, work)
    assert fetch(database, "SELECT max(version) FROM log.event WHERE stream = %s", f"entity:{uids[0]}") == [(3,)]


def test_a_receipt_kept_in_a_batch_counts_for_what_comes_after_it_in_the_batch(database: str) -> None:
    key = b"k" * 32
    with psycopg.connect(database) as connection:
        first, second, third = append(
            connection,
            *(
                Append(stream=f"entity:{uuid4()}", events=[EntityRegistered(name, "PERSON")], key=kept)
                for name, kept in (("Ann", key), ("Bo", key), ("Cy", b"other"))
            ),
        )
        assert (first.verdict, second.verdict, third.verdict) == ("appended", "duplicate", "appended")
        assert (second.event_id, second.stream, second.position) == (first.event_id, first.stream, first.position)
        ((receipts,),) = connection.execute("SELECT count(*) FROM log.command_receipt").fetchall()
    assert receipts == 2
