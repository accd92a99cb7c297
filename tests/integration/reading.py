"""A read model without a log, for tests of the read side: events are folded into rows, and asked about over HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
from fastapi import FastAPI
from fastapi.testclient import TestClient
from psycopg import sql

from db.pool import Dsns, make_pool
from db.waiting import Waiter
from read_side.api.router import router
from read_side.queries import ReadModel
from shared.core.events import (
    Context,
    EntityEvent,
    EntityRegistered,
    EntityRetired,
    EntityRevised,
    Metadata,
    Recorded,
    entity_stream,
)
from shared.core.rows import Closed, EntityVersion, Opened, Reasserted
from shared.core.timeline import Timeline, fold
from shared.http import problem
from shared.http.auth import Principal, token_hash
from shared.http.context import Surroundings
from shared.http.own_writes import OwnWrites

AUTHOR = "user_1"
TOKEN = "a-token-of-user-1"


def day(number: int) -> datetime:
    """Return midnight of a day, counted from 2024-01-01 as 1."""
    return datetime(2023, 12, 31, tzinfo=UTC) + timedelta(days=number)


def uid(number: int) -> UUID:
    return UUID(f"018f0000-0000-7000-8000-{number:012x}")


def registered(name: str, kind: str = "PERSON", **details: str) -> EntityRegistered:
    return EntityRegistered(name, kind, details)


def revised(name: str | None = None, **details: str | None) -> EntityRevised:
    return EntityRevised(details=details) if name is None else EntityRevised(display_name=name, details=details)


RETIRED = EntityRetired()


class Projected:
    """Writes the read model as the projector would, one event at a time."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self.connection = connection
        self.position = 0
        self.timelines: dict[UUID, Timeline] = {}
        for table, codes in (
            ("entity_type", ("PERSON", "INSTITUTION", "GONE")),
            ("detail_type", ("ADDRESS", "EMAIL", "PHONE")),
        ):
            for code in codes:
                self.insert(table, code=code, name=code.title(), description="", is_active=code != "GONE")

    def insert(self, table: str, **values: Any) -> None:
        self.connection.execute(
            sql.SQL("INSERT INTO {} ({}) VALUES ({})").format(
                sql.Identifier("read_model", table),
                sql.SQL(", ").join(map(sql.Identifier, values)),
                sql.SQL(", ").join(map(sql.Placeholder, values)),
            ),
            values,
        )

    def happen(self, number: int, at: datetime, event: EntityEvent, recorded_at: datetime | None = None) -> int:
        """Fold one more event of an entity, and return its position."""
        self.position += 1
        of = uid(number)
        before = self.timelines.get(of) or Timeline(entity_uid=of)
        recorded = Recorded(
            position=self.position,
            event_id=UUID(int=self.position),
            stream=entity_stream(of),
            version=before.version + 1,
            event=event,
            effective_at=at,
            effective_until=None,
            recorded_at=recorded_at or at,
            context=Context(),
            metadata=Metadata(AUTHOR, f"request-{self.position}"),
        )
        timeline, changes = fold(before, recorded)
        self.timelines[of] = timeline
        with self.connection.transaction():
            for change in changes:
                self._write(change)
            self._write_head(timeline, at)
            self._advance(recorded.recorded_at)
        return self.position

    def _write(self, change: Opened | Closed | Reasserted) -> None:
        row = change.row
        table = "entity_version" if isinstance(row, EntityVersion) else "entity_detail_version"
        if isinstance(change, Opened):
            values = {field: getattr(row, field) for field in row.__struct_fields__}
            if isinstance(row, EntityVersion):
                values["search_name"] = row.display_name.casefold()
            self.insert(table, **values, is_current=True)
        elif isinstance(change, Closed):
            self.connection.execute(
                sql.SQL(
                    "UPDATE {} SET valid_to = %s, valid_to_known_position = %s, updated_at = %s, is_current = false"
                    " WHERE id = %s"
                ).format(sql.Identifier("read_model", table)),
                (row.valid_to, row.valid_to_known_position, row.updated_at, row.id),
            )

    def _write_head(self, timeline: Timeline, at: datetime) -> None:
        self.connection.execute(
            "INSERT INTO read_model.entity_head VALUES (%s, %s, %s, %s, %s, %s, %s)"
            " ON CONFLICT (entity_uid) DO UPDATE SET version = excluded.version,"
            " last_event_id = excluded.last_event_id, last_position = excluded.last_position,"
            " change_points = excluded.change_points, retired_at = excluded.retired_at",
            (
                timeline.entity_uid,
                timeline.version,
                timeline.last_event_id,
                timeline.last_position,
                timeline.change_points,
                at,
                timeline.retired_at,
            ),
        )

    def _advance(self, recorded_at: datetime) -> None:
        self.connection.execute(
            "UPDATE read_model.checkpoint SET position = %s, recorded_at = %s", (self.position, recorded_at)
        )
        self.connection.execute("SELECT pg_notify('cockpit_projected', %s)", (str(self.position),))


@contextmanager
def projected(conninfo: str) -> Iterator[Projected]:
    with psycopg.connect(conninfo, autocommit=True) as connection:
        yield Projected(connection)


@contextmanager
def reading(conninfo: str, *, public: bool = True, wait_seconds: float = 0.3) -> Iterator[TestClient]:
    """Give a client of the read side over a database; the token of user_1 opens it."""
    dsn = Dsns(conninfo).of("read")

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        waiter = Waiter(dsn)
        async with make_pool(dsn, 2) as pool:
            await waiter.start()
            app.state.read = ReadModel(pool, 10, wait_seconds, waiter)
            yield
            await waiter.stop()

    async def authenticate(hashed: bytes) -> Principal | None:
        return Principal(AUTHOR, frozenset({"read"}), hashed) if hashed == token_hash(TOKEN) else None

    app = FastAPI(lifespan=lifespan)
    app.include_router(router)
    app.add_middleware(Surroundings)
    problem.install(app)
    app.state.public_reads = public
    app.state.own_writes = OwnWrites()
    app.state.authenticate = authenticate
    with TestClient(app, raise_server_exceptions=True) as client:
        yield client
