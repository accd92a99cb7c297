"""What the tests of the projector share: events appended as any writer would, folded on a connection of its own."""

from __future__ import annotations

import asyncio
import random
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
from msgspec import UNSET, UnsetType

from db.pool import Connection, Dsns
from projector.batch import Projection
from projector.worker import Worker
from shared.core.events import (
    INFINITY,
    REGISTRY_STREAM,
    EntityEvent,
    EntityRegistered,
    EntityReopened,
    EntityRetired,
    EntityRevised,
    Event,
    EventCancelled,
    EventSkipped,
    Kind,
    Recorded,
    TypeActivated,
    TypeChanged,
    TypeDeactivated,
    TypeRegistered,
    Until,
    entity_stream,
)
from shared.core.timeline import Timeline, fold
from tests.appending import Append, Stored, Written, append

TABLES = (
    "entity_head",
    "entity_version",
    "entity_version_superseded",
    "entity_detail_version",
    "entity_detail_version_superseded",
    "entity_type",
    "detail_type",
    "audit_entry",
    "external_key",
)
JOHN = EntityRegistered("John", "PERSON", {"EMAIL": "john@example.com"})
BEGINNING, FUTURE = datetime(2024, 1, 1, tzinfo=UTC), datetime(2124, 1, 1, tzinfo=UTC)
Tables = dict[str, list[tuple[Any, ...]]]


def revised(name: str) -> EntityRevised:
    return EntityRevised(display_name=name)


def uid(number: int) -> UUID:
    return UUID(f"018f0000-0000-7000-8000-{number:012x}")


def add(
    conninfo: str, number: int, *events: Written, effective_at: datetime | None = None, effective_until: Until = None
) -> int:
    """Append events to an entity's stream, and return the position of the last one."""
    stream = entity_stream(uid(number))
    with psycopg.connect(conninfo) as connection:
        commands = (
            Append(stream=stream, events=[event], effective_at=effective_at, effective_until=effective_until)
            for event in events
        )
        return append(connection, *commands)[-1].position


@asynccontextmanager
async def projecting(conninfo: str) -> AsyncIterator[tuple[Connection, Projection]]:
    """Give a connection of the projector's role, and a projection that begins where the read model stands."""
    dsn = Dsns(conninfo).of("project")
    async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as connection:
        yield connection, await Projection.open(connection)


async def fold_all(conninfo: str, limit: int = 1000) -> None:
    async with projecting(conninfo) as (_, projection):
        while await projection.advance(limit):
            pass


@asynccontextmanager
async def working(conninfo: str, poll_seconds: float = 30) -> AsyncIterator[Worker]:
    """Give a worker at work."""
    worker = Worker(Dsns(conninfo).of("project"), poll_seconds=poll_seconds, batch_events=100)
    task = asyncio.create_task(worker.run())
    try:
        yield worker
    finally:
        worker.stop()
        await task


async def come_true(condition: Callable[[], object], seconds: float = 10) -> None:
    async with asyncio.timeout(seconds):
        while not await asyncio.to_thread(condition):  # noqa: ASYNC110  # the database has no event for it
            await asyncio.sleep(0.02)


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(work)


def fetch(conninfo: str, sql: str, *params: object) -> list[tuple[Any, ...]]:
    with psycopg.connect(conninfo) as connection:
        return connection.execute(sql.encode(), params).fetchall()


def execute(conninfo: str, *statements: str) -> None:
    with psycopg.connect(conninfo) as connection:
        for sql in statements:
            connection.execute(sql.encode())


def tamper(conninfo: str, sql: str) -> None:
    """Change the log as nobody may, past its triggers."""
    execute(
        conninfo,
        "ALTER TABLE log.event DISABLE TRIGGER event_is_immutable",
        sql.format("log.event"),
        "ALTER TABLE log.event ENABLE ALWAYS TRIGGER event_is_immutable",
    )


def tables(conninfo: str) -> Tables:
    """Return the read model as it is, but for the instant the checkpoint was moved at."""
    names = (*TABLES, "parked_event")
    return {name: fetch(conninfo, f"SELECT t::text FROM read_model.{name} t ORDER BY 1") for name in names}  # noqa: S608  # names of ours


class Histories:
    """Random lives of a few entities and of the registry: past and future, for a while and for good, and cancelled.

    `foreign` is how often an event of an entity is one that cannot be folded. Later ones are as if it were skipped, and
    sooner or later it is: `skip_all` skips what is left.
    """

    def __init__(self, seed: int, foreign: float = 0) -> None:
        self._foreign = foreign
        self._unskipped: defaultdict[int, deque[UUID]] = defaultdict(deque)
        self._chance = random.Random(seed)  # noqa: S311  # it invents histories
        self._timelines = [Timeline(entity_uid=uid(number)) for number in range(1, 7)]
        self._codes: dict[Kind, set[str]] = {kind: set() for kind in Kind}
        self._past = BEGINNING

    def extend(self, conninfo: str, events: int) -> None:
        """Append so many events, several a transaction."""
        with psycopg.connect(conninfo) as connection:
            for _ in range(events):
                if self._chance.random() < 0.1:
                    append(connection, Append(stream=REGISTRY_STREAM, events=[self._about_a_type()]))
                else:
                    self._about_an_entity(connection)
                if self._chance.random() < 0.5:
                    connection.commit()

    def skip_all(self, conninfo: str) -> None:
        """Skip, in the order of their streams, whatever cannot be folded and is not skipped yet."""
        with psycopg.connect(conninfo) as connection:
            for number, left in self._unskipped.items():
                while left:
                    self._append(connection, number, EventSkipped(left.popleft()), None, None)

    def _about_a_type(self) -> Event:
        kind, code = self._chance.choice(list(Kind)), self._chance.choice("ABC")
        if code not in self._codes[kind]:
            self._codes[kind].add(code)
            return TypeRegistered(kind, code, f"Name of {code}")
        changes: list[Event] = [TypeChanged(kind, code, description=str(self._chance.random()))]
        return self._chance.choice([*changes, TypeActivated(kind, code), TypeDeactivated(kind, code)])

    def _about_an_entity(self, connection: psycopg.Connection[Any]) -> None:
        number = self._chance.randrange(len(self._timelines))
        timeline, left = self._timelines[number], self._unskipped[number]
        at, until = self._span()
        event: Written = self._event(timeline)
        if self._foreign and timeline.version and self._chance.random() < self._foreign:
            event = Stored()
        elif left and self._chance.random() < 0.2:
            event = EventSkipped(left.popleft())
        self._append(connection, number, event, at, until)

    def _append(
        self, connection: psycopg.Connection[Any], number: int, event: Written, at: datetime | None, until: Until
    ) -> None:
        timeline = self._timelines[number]
        command = Append(
            stream=entity_stream(timeline.entity_uid), events=[event], effective_at=at, effective_until=until
        )
        (verdict,) = append(connection, command)
        assert verdict.event_id is not None
        assert verdict.version is not None
        if isinstance(event, Stored):
            self._unskipped[number].append(verdict.event_id)
        recorded = Recorded(
            position=verdict.position,
            event_id=verdict.event_id,
            stream=verdict.stream,
            version=verdict.version,
            event=EventSkipped(verdict.event_id) if isinstance(event, Stored) else event,
            effective_at=at or verdict.recorded_at,
            effective_until=until,
            recorded_at=verdict.recorded_at,
            context=command.context,
            metadata=command.metadata,
        )
        self._timelines[number], _ = fold(timeline, recorded)

    def _span(self) -> tuple[datetime | None, Until]:
        """Draw since when and how long: mostly later than what was said, else at any instant, some of them to come."""
        self._past += timedelta(hours=self._chance.randrange(3))
        start = self._past
        if self._chance.random() < 0.4:
            start = self._chance.choice([BEGINNING, FUTURE]) + timedelta(hours=self._chance.randrange(48))
        elif self._chance.random() < 0.3:
            return None, INFINITY if self._chance.random() < 0.2 else None
        ends: list[Until] = [None, None, None, INFINITY, start + timedelta(hours=self._chance.randrange(1, 24))]
        return start, self._chance.choice(ends)

    def _event(self, timeline: Timeline) -> EntityEvent:
        names: list[str | UnsetType] = ["A", "B", "Ärger", UNSET]
        types: list[str | UnsetType] = ["PERSON", "TRUST", UNSET]
        name, kind = self._chance.choice(names), self._chance.choice(types)
        said = {
            code: self._chance.choice(["x", "y", None]) for code in ("EMAIL", "PHONE") if self._chance.random() < 0.5
        }
        if timeline.version == 0:
            return EntityRegistered("New", "PERSON", {code: value for code, value in said.items() if value})
        standing = sorted({a.event_id for field in (timeline.fields or {}).values() for a in field})
        return self._chance.choices(
            [
                EntityRevised(name, kind, said),
                EntityRetired(),
                EntityReopened(name, kind, said),
                EventCancelled(self._chance.choice(standing)) if standing else EntityReopened("B", "PERSON"),
            ],
            [7, 1, 2, 1],
        )[0]
