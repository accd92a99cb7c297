"""A log in three schema versions, by an evolution that only these tests know: all see today's shape, it stays as it is.

An entity event once had its name as `name`, then as `display_name` beside details that were pairs; a cancellation named
an `event`, a type had a `title`.
"""

from __future__ import annotations

import asyncio
import dataclasses
import json
from collections.abc import Sequence
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from cockpit.services import writers
from db.pool import Dsns
from projector.verify import verify
from shared.core import codec
from shared.core.errors import CannotFold, CockpitError
from shared.core.events import (
    REGISTRY_STREAM,
    Context,
    EntityRegistered,
    EntityRevised,
    Event,
    EventCancelled,
    Kind,
    Metadata,
    TypeRegistered,
    entity_stream,
)
from shared.core.upcasters import SCHEMA_VERSIONS, UPCASTERS
from shared.settings import Settings
from tests import oracle
from tests.appending import Append, Stored, append
from tests.given import day
from tests.integration.projecting import JOHN, add, fetch, fold_all, revised, tables, uid
from tests.integration.rebuilding import rebuilt
from tests.oracle_log import Event as Row
from tests.oracle_log import read_log
from write_side.entity import Revise
from write_side.handler import Outcome, Request

Data = dict[str, Any]
REQUEST = Request(metadata=Metadata(actor="user_1", request_id="request-1"))


def named(data: Data) -> Data:
    """Version 2: `name` became `display_name`."""
    return {"display_name" if key == "name" else key: value for key, value in data.items()}


def mapped(data: Data) -> Data:
    """Version 3: the details, once pairs, became a mapping."""
    return {**data, "details": dict(data["details"])}


def written(event: Event, version: int) -> Stored:
    """Return an event as it would have been written in a schema version: today's steps, backwards."""
    name = type(event).__name__
    payload = json.loads(codec.encode_payload(event, Context()))
    data = payload["data"]
    match event:
        case EntityRegistered() | EntityRevised():
            if version < 3:
                data["details"] = [list(pair) for pair in data.pop("details", {}).items()]
            if version < 2 and "display_name" in data:
                data["name"] = data.pop("display_name")
        case EventCancelled():
            if version < 2:
                data["event"] = data.pop("event_id")
        case TypeRegistered():
            if version < 2:
                data["title"] = data.pop("name")
        case _:
            pytest.fail(f"nothing of {name} has changed")
    return Stored(name, version, json.dumps(payload, sort_keys=True, separators=(",", ":")))


@pytest.fixture(autouse=True)
def evolved(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let four types of events have a past."""
    for name in ("EntityRegistered", "EntityRevised"):
        monkeypatch.setitem(SCHEMA_VERSIONS, name, 3)
        monkeypatch.setitem(UPCASTERS, (name, 1), named)
        monkeypatch.setitem(UPCASTERS, (name, 2), mapped)
    monkeypatch.setitem(SCHEMA_VERSIONS, "EventCancelled", 2)
    monkeypatch.setitem(UPCASTERS, ("EventCancelled", 1), lambda data: {"event_id": data["event"]})
    monkeypatch.setitem(SCHEMA_VERSIONS, "TypeRegistered", 2)
    monkeypatch.setitem(
        UPCASTERS,
        ("TypeRegistered", 1),
        lambda data: {"name" if key == "title" else key: value for key, value in data.items()},
    )


def store(conninfo: str, number: int, *stored: Stored, **more: Any) -> UUID:
    """Append events as an earlier release wrote them to an entity's stream, and return the id of the first."""
    command = Append(stream=entity_stream(uid(number)), events=stored, **more)
    with psycopg.connect(conninfo) as connection:
        append(connection, command)
    return command.event_id


def of_types(conninfo: str) -> None:
    with psycopg.connect(conninfo) as connection:
        for version, (kind, code) in enumerate([(Kind.ENTITY, "PERSON"), (Kind.DETAIL, "EMAIL")], start=1):
            stored = [written(TypeRegistered(kind, code, code.title()), version)]
            append(connection, Append(stream=REGISTRY_STREAM, events=stored))


def history(conninfo: str) -> None:
    """Store entities whose events are of all versions: told in order, corrected later, cancelled."""
    of_types(conninfo)
    for number in (1, 2, 3):
        store(conninfo, number, written(JOHN, number), effective_at=day(1))
    both = EntityRevised(display_name="Jo", details={"EMAIL": None, "PHONE": "1"})
    for version, event in enumerate([revised("Jo"), both, EntityRevised(details={"EMAIL": "x"})], start=1):
        store(conninfo, 1, written(event, version), effective_at=day(version * 10))
    for version in (3, 1, 2):
        late = EntityRevised(display_name=f"Late {version}", details={"EMAIL": f"late-{version}@example.com"})
        store(conninfo, 2, written(late, version), effective_at=day(20 - version))
    for version in (1, 2):
        wrong = store(conninfo, 3, written(revised("Wrong"), version), effective_at=day(30))
        store(conninfo, 3, written(EventCancelled(wrong), version))


def today(log: Sequence[Row]) -> list[Row]:
    """Return a log as it would be had all been written in one shape, which the oracle knows as version 1."""
    rows = []
    for row in log:
        payload = json.loads(row.payload)
        data = payload["data"]
        for old, new in (("name", "display_name"), ("event", "event_id"), ("title", "name")):
            if old in data and not (old == "name" and row.stream == REGISTRY_STREAM):
                data[new] = data.pop(old)
        if isinstance(data.get("details"), list):
            data["details"] = dict(data["details"])
        rows.append(dataclasses.replace(row, schema_version=1, payload=json.dumps(payload)))
    return rows


def check(conninfo: str) -> None:
    """Hold the tables against the oracle's fold of the same history in one shape, and let `verify` have its say."""
    with psycopg.connect(conninfo) as connection:
        log = read_log(connection)
        ((position, clock),) = connection.execute("SELECT position, clock_at FROM read_model.checkpoint").fetchall()
        assert position == len(log)
        for table, rows in oracle.expected_tables(today(log), clock).items():
            assert rows or table == "external_key"  # no key is claimed in this history
            oracle._compare(table, rows, oracle._read(connection, table))
    right = verify(Dsns(conninfo).of("project"))
    assert (right.events, right.parked) == (position, 0)


def command(conninfo: str, number: int, revise: Revise) -> Outcome[Any]:
    """Execute a command in a process that has nothing in memory yet."""

    async def run() -> Outcome[Any]:
        async with writers(Dsns(conninfo), Settings(_env_file=None)) as writing:
            return await writing.handler.entity(uid(number), revise, REQUEST)

    return asyncio.run(run())


@pytest.mark.parametrize("limit", [1, 3, 1000])
def test_the_projector_folds_every_version_fast_and_slow_and_the_log_stays_as_it_is(
    unchecked_database: str, limit: int
) -> None:
    history(unchecked_database)
    versions = fetch(unchecked_database, "SELECT DISTINCT type, schema_version FROM log.event")
    assert {(name, n) for name, n in versions} == {
        (name, n)
        for name in ("EntityRegistered", "EntityRevised", "EventCancelled", "TypeRegistered")
        for n in range(1, SCHEMA_VERSIONS[name] + 1)
    }
    before = fetch(unchecked_database, "SELECT e::text FROM log.event e ORDER BY position")
    asyncio.run(fold_all(unchecked_database, limit))
    check(unchecked_database)
    folded = tables(unchecked_database)
    assert rebuilt(unchecked_database).differences == []
    assert tables(unchecked_database) == folded
    assert fetch(unchecked_database, "SELECT e::text FROM log.event e ORDER BY position") == before


def test_the_command_side_decides_on_today_s_shape_and_writes_today_s_version(unchecked_database: str) -> None:
    history(unchecked_database)
    before = fetch(unchecked_database, "SELECT max(position) FROM log.event")
    assert command(unchecked_database, 1, Revise(display_name="Jo", details={"PHONE": "1"})).event_id is None
    assert fetch(unchecked_database, "SELECT max(position) FROM log.event") == before
    assert command(unchecked_database, 1, Revise(display_name="Joe", details={"EMAIL": "y"})).event_id is not None
    ((version, payload),) = fetch(
        unchecked_database, "SELECT schema_version, payload::text FROM log.event ORDER BY position DESC LIMIT 1"
    )
    assert version == 3
    assert json.loads(payload)["data"] == {"display_name": "Joe", "details": {"EMAIL": "y"}}
    asyncio.run(fold_all(unchecked_database))
    check(unchecked_database)


def test_a_version_from_the_future_parks_its_entity_and_nothing_else(unchecked_database: str) -> None:
    history(unchecked_database)
    asyncio.run(fold_all(unchecked_database))
    store(unchecked_database, 1, Stored("EntityRevised", 4, '{"context":{},"data":{"names":["A","B"]}}'))
    add(unchecked_database, 1, revised("Behind"))
    last = add(unchecked_database, 2, revised("Goes on"))
    asyncio.run(fold_all(unchecked_database))
    parked = fetch(unchecked_database, "SELECT stream, reason FROM read_model.parked_event ORDER BY position")
    assert [stream for stream, _ in parked] == [entity_stream(uid(1))] * 2
    assert "EntityRevised in schema version 4 is not known here" in parked[0][1]
    assert fetch(
        unchecked_database, "SELECT display_name FROM read_model.entity_version WHERE is_current ORDER BY entity_uid"
    ) == [("Jo",), ("Goes on",), ("John",)]
    right = verify(Dsns(unchecked_database).of("project"))
    assert (right.position, right.parked) == (last, 2)
    with pytest.raises(CockpitError, match="schema version 4 is not known here"):
        command(unchecked_database, 1, Revise(display_name="Decided without knowing"))
    assert command(unchecked_database, 3, Revise(display_name="Decided")).event_id is not None


@pytest.mark.parametrize(
    "payload",
    [
        '{"context":{},"data":{"display_name":"A"}}',
        '{"context":{},"data":{"details":7}}',
        '{"context":{},"data":{"details":[["EMAIL",1]]}}',
        '{"context":{},"data":[]}',
        '{"context":7,"data":{"details":[]}}',
        '{"data":{"details":[]}}',
        "[]",
    ],
)
def test_a_payload_that_is_not_of_its_earlier_version_parks_its_entity(unchecked_database: str, payload: str) -> None:
    add(unchecked_database, 1, JOHN)
    last = add(unchecked_database, 2, JOHN)
    store(unchecked_database, 1, Stored("EntityRevised", 2, payload))
    asyncio.run(fold_all(unchecked_database))
    assert fetch(unchecked_database, "SELECT position FROM read_model.parked_event") == [(last + 1,)]
    assert verify(Dsns(unchecked_database).of("project")).parked == 1


def test_the_codec_goes_every_step_and_no_further(monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[int] = []
    for version, step in ((1, named), (2, mapped)):

        def walk(data: Data, version: int = version, step: Any = step) -> Data:
            steps.append(version)
            return dict(step(data))

        monkeypatch.setitem(UPCASTERS, ("EntityRevised", version), walk)
    event = EntityRevised(display_name="Jo", details={"EMAIL": None})
    for version, expected in ((1, [1, 2]), (2, [2]), (3, []), (4, None), (0, None)):
        steps.clear()
        stored = written(event, version)
        said = '{"actor":"user_1","request_id":"r"}'
        if expected is None:
            with pytest.raises(CannotFold, match="is not known here"):
                codec.decode(1, uuid4(), "s", 1, *stored[:2], day(1), None, False, day(1), stored.payload, said)
        else:
            recorded = codec.decode(1, uuid4(), "s", 1, *stored[:2], day(1), None, False, day(1), stored.payload, said)
            assert (recorded.event, steps) == (event, expected)
