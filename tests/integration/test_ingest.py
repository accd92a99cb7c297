"""Rows on a real log: in their order, once, whatever races; tried out they come to the same, and leave nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import AsyncExitStack
from typing import Any, TypeVar
from uuid import UUID, uuid4

import psycopg
import pytest

from cockpit.services import Writers, writers
from db.pool import Dsns
from shared.core.errors import AlreadyClaimed
from shared.core.events import EntityRetired, Kind, Metadata, entity_stream
from shared.settings import Settings
from tests.appending import Append, append
from tests.given import day
from write_side.command_ids import command_ids
from write_side.external_key import ExternalKey
from write_side.handler import Handler, Outcome, Request
from write_side.ingest import Ingest, Row, Told
from write_side.registry import RegisterType
from write_side.upsert import Upsert

Result = TypeVar("Result")
SETTINGS = Settings(_env_file=None)
METADATA = Metadata(actor="ingest", request_id="run-1")
REQUEST = Request(metadata=METADATA)
KEY = ExternalKey("crm", "C-1")


def ann(name: str = "Ann", key: ExternalKey | None = KEY, uid: UUID | None = None, **more: Any) -> Upsert:
    return Upsert(key=key, entity_uid=uid, display_name=name, entity_type="PERSON", **more)


def with_writers(conninfo: str, work: Callable[[Writers], Coroutine[Any, Any, Result]]) -> Result:
    async def run() -> Result:
        async with writers(Dsns(conninfo), SETTINGS) as writing:
            await writing.handler.registry(RegisterType(Kind.ENTITY, "PERSON", "Person"), REQUEST)
            await writing.handler.registry(RegisterType(Kind.DETAIL, "EMAIL", "Email"), REQUEST)
            return await work(writing)

    return asyncio.run(run())


def fetch(conninfo: str, sql: str, *params: object) -> list[tuple[Any, ...]]:
    with psycopg.connect(conninfo) as connection:
        return connection.execute(sql.encode(), params).fetchall()


def events(conninfo: str) -> list[tuple[str, int]]:
    return fetch(conninfo, "SELECT type, version FROM log.event WHERE stream <> 'registry' ORDER BY position")


async def chunks(commands: Sequence[Upsert], size: int) -> AsyncIterator[list[Row]]:
    rows = [Row(line, None, 100, command) for line, command in enumerate(commands, 1)]
    for start in range(0, len(rows), size):
        yield rows[start : start + size]


async def execute(handler: Handler, commands: Sequence[Upsert], *, named: bool = True, size: int = 250) -> list[Told]:
    """Take rows in as a file of always the same name."""
    with command_ids("file", "a.csv") as names:
        ingest = Ingest(handler, metadata=METADATA, names=names if named else None)
        return [one async for told in ingest.execute(chunks(commands, size)) for one in told]


def verdicts(told: Sequence[Told]) -> list[str]:
    return [one.verdict for one in told]


def test_a_registration_and_its_claim_are_one_command(database: str) -> None:
    async def work(writing: Writers) -> Outcome[Any]:
        return await writing.handler.upsert(ann(effective_at=day(1)), REQUEST)

    outcome = with_writers(database, work)
    found = fetch(
        database,
        "SELECT stream, version, ordinal, effective_at = recorded_at, count(*) OVER (PARTITION BY command_id)"
        " FROM log.event WHERE stream <> 'registry' ORDER BY position",
    )
    stream = entity_stream(outcome.state.entity_uid)
    assert found == [(stream, 1, 0, False, 2), ("external_key:crm:C-1", 1, 1, True, 2)]


@pytest.mark.parametrize("same_process", [True, False])
def test_two_who_race_for_a_key_are_one_registration_and_one_revision(database: str, *, same_process: bool) -> None:
    async def work(one: Writers) -> None:
        async with writers(Dsns(database), SETTINGS) as two:
            other = one if same_process else two
            for number in range(20):
                key = ExternalKey("crm", str(number))
                first, second = await asyncio.gather(
                    one.handler.upsert(ann("Ann", key), REQUEST), other.handler.upsert(ann("Bo", key), REQUEST)
                )
                assert first.state.entity_uid == second.state.entity_uid
                assert sorted((first.state.version, second.state.version)) == [1, 2]

    with_writers(database, work)
    counted = "SELECT type, count(*) FROM log.event WHERE stream <> 'registry' GROUP BY type ORDER BY type"
    assert fetch(database, counted) == [("EntityRegistered", 20), ("EntityRevised", 20), ("ExternalKeyClaimed", 20)]


def test_by_uid_and_key_the_key_must_be_free_or_of_that_very_entity(database: str) -> None:
    uid, other = uuid4(), uuid4()

    async def work(writing: Writers) -> None:
        upsert = writing.handler.upsert
        assert (await upsert(ann(key=None, uid=uid), REQUEST)).state.version == 1
        claimed = await upsert(ann(uid=uid), REQUEST)
        assert (claimed.event_id is not None, claimed.state.version) == (True, 1)
        assert (await upsert(ann(uid=uid), REQUEST)).event_id is None
        assert (await upsert(ann("Anna"), REQUEST)).state.entity_uid == uid
        with pytest.raises(AlreadyClaimed):
            await upsert(ann("Bo", uid=other), REQUEST)

    with_writers(database, work)
    assert events(database) == [("EntityRegistered", 1), ("ExternalKeyClaimed", 1), ("EntityRevised", 2)]


@pytest.mark.parametrize("size", [1, 3, 250])
def test_rows_that_concern_one_entity_are_executed_in_their_order(database: str, size: int) -> None:
    uid = uuid4()
    rows = [
        ann("0", uid=uid),
        *(command for n in range(1, 20) for command in (ann(f"{n}a"), ann(f"{n}b", None, uid), ann(f"{n}c", uid=uid))),
    ]

    async def work(writing: Writers) -> list[Told]:
        return await execute(writing.handler, rows, size=size)

    told = with_writers(database, work)
    assert verdicts(told) == ["registered", *["revised"] * 57]
    named = "SELECT payload -> 'data' ->> 'display_name' FROM log.event WHERE stream = %s ORDER BY version"
    assert [name for (name,) in fetch(database, named, entity_stream(uid))] == [row.display_name for row in rows]


def test_a_second_run_appends_nothing_even_where_rows_between_changed_the_state(database: str) -> None:
    rows = [ann("A"), ann("A"), ann("B"), ann("A"), ann("A")]

    async def work(writing: Writers) -> list[list[str]]:
        return [verdicts(await execute(writing.handler, rows, size=2)) for _ in range(2)]

    first, second = with_writers(database, work)
    assert first == ["registered", "unchanged", "revised", "revised", "unchanged"]
    assert second == ["replayed"] * 5
    assert len(events(database)) == 4
    assert fetch(database, "SELECT count(*) FROM log.command_receipt") == [(2,)]


def test_another_process_knows_what_was_executed_and_where(database: str) -> None:
    uid = uuid4()
    rows = [ann(key=None, uid=uid), ann("Anna", None, uid), ann("Anna", None, uid), ann("Anna", uid=uid)]

    async def work(writing: Writers) -> tuple[list[Told], list[Told]]:
        first = await execute(writing.handler, rows)
        async with writers(Dsns(database), SETTINGS) as another:
            return first, await execute(another.handler, rows)

    first, second = with_writers(database, work)
    assert verdicts(first) == ["registered", "revised", "unchanged", "revised"]
    assert verdicts(second) == ["replayed"] * 4
    for before, after in zip(first, second, strict=True):
        assert (after.entity_uid, after.event_id, after.position) == (uid, before.event_id, before.position)
        assert after.status == before.status


def test_a_key_alone_claimed_beside_is_no_registration(database: str) -> None:
    uid = uuid4()

    async def work(writing: Writers) -> list[Told]:
        return await execute(writing.handler, [ann(key=None, uid=uid), ann(uid=uid)])

    told = with_writers(database, work)
    assert [(one.verdict, one.status) for one in told] == [("registered", 201), ("revised", 200)]


def test_an_entity_that_cannot_be_folded_is_refused_alone(unchecked_database: str) -> None:
    uid = uuid4()
    with psycopg.connect(unchecked_database) as connection:
        append(connection, Append(stream=entity_stream(uid), events=[EntityRetired()]))
    rows = [ann(key=ExternalKey("crm", "1")), ann(key=None, uid=uid), ann(key=ExternalKey("crm", "2"))]

    async def work(writing: Writers) -> list[Told]:
        return await execute(writing.handler, rows)

    assert verdicts(with_writers(unchecked_database, work)) == ["registered", "refused", "registered"]


def test_refused_rows_stop_no_other_and_are_tried_again(database: str) -> None:
    rows = [Upsert(key=KEY), ann(), ann("Bo", None, uuid4(), details={"EMAIL": "b"}), Upsert(key=ExternalKey("x", "y"))]

    async def work(writing: Writers) -> list[list[str]]:
        return [verdicts(await execute(writing.handler, rows)) for _ in range(2)]

    first, second = with_writers(database, work)
    assert first == ["refused", "registered", "registered", "refused"]
    assert second == ["unchanged", "replayed", "replayed", "refused"], "the first one finds an entity by now"


def test_two_runs_of_one_file_at_once_append_each_row_once(database: str) -> None:
    rows = [ann(str(n), ExternalKey("crm", str(n % 50))) for n in range(200)]

    async def work(one: Writers) -> list[Told]:
        async with writers(Dsns(database), SETTINGS) as two:
            both = await asyncio.gather(*(execute(side.handler, rows, size=20) for side in (one, two)))
            return [told for run in both for told in run]

    told = with_writers(database, work)
    assert "refused" not in verdicts(told)
    assert fetch(database, "SELECT count(*) FROM log.event WHERE type = 'ExternalKeyClaimed'") == [(50,)]
    repeated = "SELECT count(*), count(DISTINCT command_id) FROM log.event WHERE stream LIKE 'entity:%%'"
    ((total, distinct),) = fetch(database, repeated)
    assert total == distinct <= 200


@pytest.mark.parametrize("named", [True, False])
def test_tried_out_the_rows_come_to_the_same_and_leave_nothing(database: str, *, named: bool) -> None:
    uid = uuid4()
    before = [ann("Ann", ExternalKey("crm", "old")), ann("Cy", None, uid)]
    rows = [
        *before,
        *(ann(str(n // 2), ExternalKey("crm", str(n % 7)), effective_at=day(1 + n % 3)) for n in range(60)),
        Upsert(key=ExternalKey("crm", "old"), display_name="Anna"),
        ann("Dee", ExternalKey("crm", "new"), uid),
        ann("Dee", ExternalKey("crm", "old"), uid),
        Upsert(key=ExternalKey("crm", "new"), display_name="Di", effective_at=day(1)),
        Upsert(entity_uid=uuid4(), display_name="nobody"),
    ]

    async def work(writing: Writers) -> tuple[list[Told], list[Told], list[Told]]:
        await execute(writing.handler, before)
        at = events(database)
        async with AsyncExitStack() as stack:
            handler = await stack.enter_async_context(writing.rehearse())
            tried = await execute(handler, rows, named=named, size=10)
            handler._states._entities.clear()  # what it keeps is forgotten: the rest is read where it lies
            handler._states._holders.clear()
            again = await execute(handler, rows, named=False, size=10)
        assert events(database) == at
        assert fetch(database, "SELECT count(*) FROM log.command_receipt") == [(0,)]
        return tried, await execute(writing.handler, rows, named=named, size=10), again

    tried, real, again = with_writers(database, work)
    assert verdicts(tried) == verdicts(real)
    assert [str(one.refusal) for one in tried if one.refusal and "key" not in str(one.refusal)] == [
        str(one.refusal) for one in real if one.refusal and "key" not in str(one.refusal)
    ]
    assert "registered" not in verdicts(again)


def test_a_key_that_was_free_is_looked_up_again_before_rows_are_told_apart(database: str) -> None:
    """Else a row by the key and one by the uid behind it could change places: it was claimed elsewhere meanwhile."""
    key = ExternalKey("crm", "1")

    async def run(here: Writers) -> list[str]:
        refused = await execute(here.handler, [Upsert(key=key, display_name="A", entity_type="NONE")], size=10)
        async with writers(Dsns(database), SETTINGS) as elsewhere:
            (claimed,) = await execute(elsewhere.handler, [ann("A", key)], size=10)
        assert claimed.entity_uid is not None
        rows = [ann("X", key), ann("Y", None, claimed.entity_uid)]
        return verdicts([*refused, claimed, *await execute(here.handler, rows, size=10)])

    assert with_writers(database, run) == ["refused", "registered", "revised", "revised"]
    names = fetch(database, "SELECT payload #>> '{data,display_name}' FROM log.event ORDER BY position DESC LIMIT 1")
    assert names == [("Y",)]
