"""Handler, batcher and event store on a real database, and on one whose connections are cut."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar
from uuid import UUID, uuid4

import httpx2
import psycopg
import pytest

from cockpit.app import build_app
from cockpit.services import Writers, writers
from db.pool import Dsns
from shared.core.errors import PreconditionFailed, Unavailable
from shared.core.events import EntityRegistered, Kind, Metadata, Recorded, entity_stream
from shared.settings import Settings
from tests import given
from tests.integration.proxy import proxied
from write_side import ids
from write_side.appends import Append
from write_side.entity import Entity, Register, Revise, etag, initial
from write_side.handler import Handler, Outcome, Request
from write_side.registry import RegisterType
from write_side.states import FOLDED_AT_ONCE, folded

Result = TypeVar("Result")
SETTINGS = Settings(_env_file=None)
REQUEST = Request(metadata=Metadata(actor="user_1", request_id="request-1"))
JOHN = Register(display_name="John", entity_type="PERSON", details={})


async def register_types(handler: Handler) -> None:
    await handler.registry(RegisterType(Kind.ENTITY, "PERSON", "Person"), REQUEST)


def with_writers(conninfo: str, work: Callable[[Writers], Coroutine[Any, Any, Result]]) -> Result:
    async def run() -> Result:
        async with writers(Dsns(conninfo), SETTINGS) as writing:
            await register_types(writing.handler)
            return await work(writing)

    return asyncio.run(run())


def fetch(conninfo: str, sql: str, *params: object) -> list[tuple[Any, ...]]:
    with psycopg.connect(conninfo) as connection:
        return connection.execute(sql.encode(), params).fetchall()


def test_many_first_commands_at_once_each_find_the_registry(database: str) -> None:
    async def work(_: Writers) -> list[Outcome[Any]]:
        async with writers(Dsns(database), SETTINGS) as fresh:
            return await asyncio.gather(*(fresh.handler.entity(uuid4(), JOHN, REQUEST) for _ in range(20)))

    assert all(outcome.event_id for outcome in with_writers(database, work))


def test_two_processes_decide_again_what_the_other_was_faster_with(database: str) -> None:
    uid = uuid4()

    async def work(one: Writers) -> None:
        async with writers(Dsns(database), SETTINGS) as two:
            await one.handler.entity(uid, JOHN, REQUEST)
            for number in range(40):
                command = Revise(display_name=f"John {number}")
                await asyncio.gather(*(side.handler.entity(uid, command, REQUEST) for side in (one, two)))

    with_writers(database, work)
    assert fetch(database, "SELECT count(*) FROM log.event WHERE stream = %s", entity_stream(uid)) == [(41,)]


def test_of_two_that_build_on_one_version_one_wins_through_whichever_process(database: str) -> None:
    uid = uuid4()

    async def work(one: Writers) -> None:
        async with writers(Dsns(database), SETTINGS) as two:
            first = await one.handler.entity(uid, JOHN, REQUEST)
            tag = etag(first.state, first.now)
            for number in range(20):
                request = Request(metadata=REQUEST.metadata, if_match=[tag])
                answers = await asyncio.gather(
                    *(
                        side.handler.entity(uid, Revise(display_name=f"{side is one} {number}"), request)
                        for side in (one, two)
                    ),
                    return_exceptions=True,
                )
                (won,) = [answer for answer in answers if isinstance(answer, Outcome)]
                (lost,) = [answer for answer in answers if isinstance(answer, PreconditionFailed)]
                tag = etag(won.state, won.now)
                assert lost.etag == tag

    with_writers(database, work)


def append_of(uid: UUID, name: str) -> Append:
    return Append(
        command_id=ids.uuid7(),
        stream=entity_stream(uid),
        expectations=[(entity_stream(uid), None)],
        events=[(ids.uuid7(), EntityRegistered(name, "PERSON"))],
        effective_at=None,
        context=REQUEST.context,
        metadata=REQUEST.metadata,
    )


def test_a_batch_whose_answer_was_lost_is_sent_again_and_is_there_once(database: str) -> None:
    uids = [uuid4() for _ in range(5)]

    async def run() -> None:
        async with proxied(database) as proxy, writers(Dsns(proxy.conninfo), SETTINGS) as writing:
            await register_types(writing.handler)
            await writing.handler.entity(uuid4(), JOHN, REQUEST)
            proxy.cut_on = b"Jo"
            verdicts = await writing.handler._store.append([append_of(uid, "Jo") for uid in uids])
            assert proxy.cuts == 1
            assert [(v.verdict, v.version) for v in verdicts] == [("duplicate", 1)] * 5
            uid = uuid4()
            proxy.cut_on = b"John"
            outcome = await writing.handler.entity(uid, JOHN, REQUEST)
            proxy.cut_on = b"Johnny"
            outcome = await writing.handler.entity(uid, Revise(display_name="Johnny"), REQUEST)
            assert (outcome.state.version, outcome.replayed, proxy.cuts) == (2, False, 3)

    asyncio.run(run())
    assert fetch(database, "SELECT count(*), count(DISTINCT command_id), max(position) FROM log.event") == [(9, 9, 9)]


def test_while_the_database_is_away_every_answer_is_a_503_in_time_and_then_all_is_well(database: str) -> None:
    async def timed(ask: Coroutine[Any, Any, httpx2.Response]) -> tuple[httpx2.Response, float]:
        begun = time.monotonic()
        return await ask, time.monotonic() - begun

    async def run() -> None:
        async with proxied(database) as proxy:
            app = build_app(SETTINGS, Dsns(proxy.conninfo))
            transport = httpx2.ASGITransport(app)
            async with (
                app.router.lifespan_context(app),
                httpx2.AsyncClient(transport=transport, base_url="http://cockpit") as client,
            ):
                handler, accounts = app.state.write.handler, app.state.accounts
                await register_types(handler)
                await accounts.create_user("jo", "12345678", is_admin=False)
                token = (await accounts.issue_token("jo", None, "", None)).token
                client.headers["Authorization"] = f"Token {token}"
                body = {"display_name": "Jo", "entity_type": "PERSON"}
                there = (await client.get("/ping")).json()
                many = [client.post("/api/v1/entities", json={**body, "display_name": str(n)}) for n in range(20)]
                assert {answer.status_code for answer in await asyncio.gather(*many)} == {201}
                await proxy.stop()
                asked = [timed(client.get("/ping")), timed(client.get("/api/v1/entities"))]
                asked.append(timed(client.post("/api/v1/entities", json=body)))
                (ping, ping_seconds), *rest = await asyncio.gather(*asked)
                assert (ping.status_code, ping.json().keys()) == (503, there.keys())
                assert ping_seconds < 2
                for answer, seconds in rest:
                    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
                    assert seconds < 6
                with pytest.raises(Unavailable):
                    await asyncio.wait_for(handler.entity(uuid4(), JOHN, REQUEST), 20)
                await proxy.start()
                assert (await client.get("/api/v1/entities")).status_code == 200
                assert (await client.get("/ping")).status_code == 200
                again = [client.post("/api/v1/entities", json={**body, "entity_uid": str(uuid4())}) for _ in range(9)]
                assert {answer.status_code for answer in await asyncio.gather(*again)} == {201}

    asyncio.run(run())


def test_a_full_queue_is_a_503_and_what_is_in_it_is_still_appended(database: str) -> None:
    async def run() -> None:
        small = Settings(_env_file=None, queue_commands=5)
        async with writers(Dsns(database), small) as writing:
            await register_types(writing.handler)
            commands = (writing.handler.entity(uuid4(), JOHN, REQUEST) for _ in range(200))
            answers = await asyncio.gather(*commands, return_exceptions=True)
            assert {type(answer) for answer in answers} == {Outcome, Unavailable}

    asyncio.run(run())


def test_what_is_due_by_our_clock_alone_is_not_due(database: str) -> None:
    scheduled = Revise(display_name="Scheduled", effective_at=datetime(2998, 1, 1, tzinfo=UTC))

    async def run() -> None:
        async with writers(Dsns(database), SETTINGS) as writing:
            await register_types(writing.handler)
            parts = (writing.handler._store, writing.handler._batcher, writing.handler._admission)
            ahead = Handler(*parts, lambda: datetime(2999, 1, 1, tzinfo=UTC))
            uid = (await ahead.entity(uuid4(), JOHN, REQUEST)).state.entity_uid
            await ahead.entity(uid, scheduled, REQUEST)
            undated = Revise(display_name="Scheduled")
            assert (await ahead.entity(uid, undated, REQUEST)).event_id is not None
            assert (await ahead.entity(uid, undated, REQUEST)).event_id is None

    asyncio.run(run())


def test_a_long_stream_is_folded_without_holding_up_the_others() -> None:
    served = threading.Event()

    def fold(_stream: str, state: Entity | None, events: Sequence[Recorded]) -> Entity:
        assert served.wait(10), "nobody else was served meanwhile"
        return state or initial(UUID(int=len(events)))

    async def run() -> None:
        asyncio.get_running_loop().call_later(0.01, served.set)
        long: list[Recorded] = [given.record(given.JOHN, 1, given.day(1))] * (FOLDED_AT_ONCE + 1)
        assert (await folded(fold, "", None, long)).entity_uid == UUID(int=len(long))

    asyncio.run(run())
