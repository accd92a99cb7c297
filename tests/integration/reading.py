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
from read_side.api.router import routers
from read_side.queries import ReadModel
from shared.core.events import (
    Context,
    EntityEvent,
    EntityRegistered,
    EntityRetired,
    EntityRevised,
    Metadata,
    Recorded,
    Until,
    entity_stream,
    uid_of,
)
from shared.core.rows import Change, EntityVersion, Opened, Superseded
from shared.core.timeline import Timeline, fold
from shared.core.turn import ROWS_PER_EVENT
from shared.http import front
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

    def happen(
        self,
        number: int,
        at: datetime,
        event: EntityEvent,
        recorded_at: datetime | None = None,
        *,
        until: Until = None,
        reason: str | None = None,
    ) -> int:
        """Fold one more event of an entity, and return its position, which is the number of its event_id."""
        before = self.timelines.get(uid(number)) or Timeline(entity_uid=uid(number))
        return self.record(
            Recorded(
                position=self.position + 1,
                event_id=UUID(int=self.position + 1),
                stream=entity_stream(before.entity_uid),
                version=before.version + 1,
                event=event,
                effective_at=at,
                effective_until=until,
                recorded_at=recorded_at or at,
                context=Context(reason=reason),
                metadata=Metadata(AUTHOR, f"request-{self.position + 1}"),
            )
        )

    def record(self, recorded: Recorded) -> int:
        """Fold one more event, and return its position."""
        of = uid_of(recorded.stream)
        assert of is not None
        self.position = recorded.position
        self.timelines[of], changes = fold(self.timelines.get(of) or Timeline(entity_uid=of), recorded)
        with self.connection.transaction():
            for change in changes:
                self._write(change)
            self._write_audit(of, recorded)
            self._write_head(self.timelines[of])
            self._advance(recorded.recorded_at)
        return self.position

    def _write(self, change: Change) -> None:
        row = change.row
        table = "entity_version" if isinstance(row, EntityVersion) else "entity_detail_version"
        if not isinstance(change, Opened):
            self.connection.execute(
                sql.SQL("DELETE FROM {} WHERE id = %s").format(sql.Identifier("read_model", table)), (row.id,)
            )
        values = {field: getattr(row, field) for field in row.__struct_fields__}
        if isinstance(row, EntityVersion):
            values["search_name"] = row.display_name.casefold()
        if isinstance(change, Superseded):
            del values["asserted_to"]
            self.insert(f"{table}_superseded", **values, recorded_to_position=change.recorded_to_position)
        else:
            self.insert(table, **values, is_current=False)  # brought up to date below

    def _write_audit(self, of: UUID, recorded: Recorded) -> None:
        """Write the first entry of an event, the one that tells of the event itself."""
        self.insert(
            "audit_entry",
            audit_id=recorded.position * ROWS_PER_EVENT,
            position=recorded.position,
            actor=recorded.metadata.actor,
            recorded_at=recorded.recorded_at,
            entity_uid=of,
            table_name="entity",
            operation="INSERT",
            request_id=recorded.metadata.request_id,
            event_id=recorded.event_id,
            reason=recorded.context.reason,
        )

    def _write_head(self, timeline: Timeline) -> None:
        values = {
            "entity_uid": timeline.entity_uid,
            "version": timeline.version,
            "last_event_id": timeline.last_event_id,
            "last_position": timeline.last_position,
            "change_points": timeline.change_points,
            "registered_at": timeline.registered_at or timeline.last_recorded_at,
            "schedule": list(timeline.schedule),
        }
        self.connection.execute("DELETE FROM read_model.entity_head WHERE entity_uid = %s", (timeline.entity_uid,))
        self.insert("entity_head", **values)

    def _advance(self, recorded_at: datetime) -> None:
        self.connection.execute(
            "UPDATE read_model.checkpoint SET position = %s, recorded_at = %s", (self.position, recorded_at)
        )
        self.tick(recorded_at)
        self.connection.execute("SELECT pg_notify('cockpit_projected', %s)", (str(self.position),))

    def tick(self, clock_at: datetime) -> None:
        """Bring the flags to an instant, as the projector does when something falls due."""
        for table in ("entity_version", "entity_detail_version"):
            for is_current in (False, True):
                self.connection.execute(
                    sql.SQL(
                        "UPDATE {} SET is_current = %(now)s WHERE is_current <> %(now)s AND %(now)s ="
                        " (valid_from <= %(at)s AND (valid_to IS NULL OR valid_to > %(at)s))"
                    ).format(sql.Identifier("read_model", table)),
                    {"now": is_current, "at": clock_at},
                )
        self.connection.execute("UPDATE read_model.checkpoint SET clock_at = %s", (clock_at,))


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
    front.install(app, [("/api/v1", router) for router in routers], Surroundings)
    app.state.public_reads = public
    app.state.own_writes = OwnWrites()
    app.state.authenticate = authenticate
    with TestClient(app, raise_server_exceptions=True) as client:
        yield client
