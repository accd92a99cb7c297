"""A log with the types, John's history and Mary's, which was corrected; and tables that are as the oracle expects."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import psycopg
from psycopg import sql
from psycopg.types.json import Json

from shared.core.events import (
    REGISTRY_STREAM,
    Context,
    EntityRegistered,
    EntityReopened,
    EntityRetired,
    EntityRevised,
    Event,
    EventCancelled,
    ExternalKeyClaimed,
    entity_stream,
    external_key_stream,
)
from tests import oracle
from tests.appending import Append, append
from tests.given import JOHN, TYPES, UID, day
from tests.oracle_log import read_log

JOHNS = entity_stream(UID)
HISTORY: list[tuple[Event, datetime | None]] = [
    (JOHN, day(1)),
    (EntityRevised(display_name="Jane", details={"EMAIL": "jane@example.com", "PHONE": "1"}), day(5)),
    (EntityRevised(entity_type="INSTITUTION", details={"EMAIL": None}), day(9)),
    (EntityRetired(), day(12)),
    (EntityReopened(), None),
]
MARY = UUID("018f0000-0000-7000-8000-000000000002")
MARYS = entity_stream(MARY)
SCHEDULED = datetime(2200, 1, 1, tzinfo=UTC)
CORRECTED: list[Append] = [
    Append(stream=MARYS, events=[EntityRegistered("Mary", "PERSON", {"EMAIL": "m@example.com"})], effective_at=day(1)),
    Append(stream=MARYS, events=[EntityRevised(display_name="May", details={"EMAIL": "x"})], effective_at=day(9)),
    Append(
        stream=MARYS,
        events=[EntityRevised(display_name="Bo", details={"EMAIL": None})],
        effective_at=day(3),
        effective_until=day(5),
        context=Context(reason="a letter came late"),
    ),
    Append(stream=MARYS, events=[EntityRevised(display_name="Moll")], effective_at=SCHEDULED),
]
"""A correction for a while, and a change that is to come; a wrong name follows, and is cancelled."""
FIRST = len(TYPES) + 2  # the position of the first event of John's: a claim and the types come before it
SECOND = FIRST + len(HISTORY)  # the position of the first event of Mary's


@contextmanager
def filled(database: str) -> Iterator[psycopg.Connection[Any]]:
    """A database whose log has the types and John's history, and whose tables hold what the oracle expects of it.

    All in one transaction that is rolled back: what a test breaks is whole again at its end.
    """
    with psycopg.connect(database) as connection:
        claim = ExternalKeyClaimed("legacy", "42", MARY)
        append(connection, Append(stream=external_key_stream("legacy", "42"), events=[claim]))
        append(connection, *(Append(stream=REGISTRY_STREAM, events=[event]) for event in TYPES))
        append(connection, *(Append(stream=JOHNS, events=[event], effective_at=at) for event, at in HISTORY))
        append(connection, *CORRECTED)
        wrong = Append(stream=MARYS, events=[EntityRevised(display_name="Wrong")], effective_at=day(7))
        append(connection, wrong, Append(stream=MARYS, events=[EventCancelled(wrong.event_id)]))
        log = read_log(connection)
        for table, rows in oracle.expected_tables(log, log[-1].recorded_at).items():
            for row in rows:
                insert(connection, table, row)
        set_checkpoint(connection, len(log))
        yield connection
        connection.rollback()


def set_checkpoint(connection: psycopg.Connection[Any], position: int) -> None:
    connection.execute(
        "UPDATE read_model.checkpoint c"
        " SET position = e.position, recorded_at = e.recorded_at, clock_at = e.recorded_at"
        " FROM log.event e WHERE e.position = %s",
        [position],
    )


def insert(connection: psycopg.Connection[Any], table: str, row: dict[str, Any]) -> None:
    values = [Json(value) if isinstance(value, dict) else value for value in row.values()]
    connection.execute(
        sql.SQL("INSERT INTO read_model.{} ({}) VALUES ({})").format(
            sql.Identifier(table),
            sql.SQL(", ").join(map(sql.Identifier, row)),
            sql.SQL(", ").join(sql.Placeholder() * len(row)),
        ),
        values,
    )


def expected(connection: psycopg.Connection[Any], table: str, uid: UUID = UID) -> list[dict[str, Any]]:
    log = read_log(connection)
    rows = oracle.expected_tables(log, log[-1].recorded_at)[table]
    return [row for row in rows if row.get("entity_uid", uid) == uid]
