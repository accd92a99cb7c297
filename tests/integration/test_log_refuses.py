"""The log refuses what would break its order, and whoever comes in by another way than log.append_events."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from psycopg import IsolationLevel

from tests.appending import Append, append
from tests.given import JOHN

STREAM = "entity:018f0000-0000-7000-8000-000000000001"


@pytest.fixture
def log(database: str) -> Iterator[psycopg.Connection[Any]]:
    """A connection that commits every statement; the oracle looks at the log when the test is over."""
    with psycopg.connect(database, autocommit=True) as connection:
        yield connection


def test_the_writer_appends_through_the_function_and_in_no_other_way(log: psycopg.Connection[Any]) -> None:
    log.execute("SET ROLE cockpit_writer")
    (answer,) = append(log, Append(stream=STREAM, events=[JOHN], key=b"k"))
    assert answer.verdict == "appended"
    for statement in (
        "INSERT INTO log.event SELECT * FROM log.event",
        "UPDATE log.event SET type = 'X'",
        "DELETE FROM log.event",
        "TRUNCATE log.event",
        "INSERT INTO log.command_receipt SELECT * FROM log.command_receipt",
        "DELETE FROM log.command_receipt",
        "ALTER TABLE log.event DISABLE TRIGGER ALL",
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            log.execute(statement)


@pytest.mark.parametrize("role", ["cockpit_reader", "cockpit_projector"])
def test_no_other_side_appends(log: psycopg.Connection[Any], role: str) -> None:
    log.execute(f"SET ROLE {role}".encode())
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        append(log, Append(stream=STREAM, events=[JOHN]))


@pytest.mark.parametrize(
    "statement", ["UPDATE log.event SET type = 'X'", "DELETE FROM log.event", "TRUNCATE log.event"]
)
def test_not_even_a_superuser_changes_the_log(log: psycopg.Connection[Any], statement: str) -> None:
    append(log, Append(stream=STREAM, events=[JOHN]))
    log.execute("SET session_replication_role TO replica")  # which passes over ordinary triggers
    with pytest.raises(psycopg.DatabaseError, match="immutable") as refusal:
        log.execute(statement.encode())
    assert refusal.value.sqlstate == "CK002"


@pytest.mark.parametrize("level", [IsolationLevel.REPEATABLE_READ, IsolationLevel.SERIALIZABLE])
def test_a_transaction_that_may_read_stale_is_refused(log: psycopg.Connection[Any], level: IsolationLevel) -> None:
    log.set_isolation_level(level)
    with pytest.raises(psycopg.DatabaseError) as refusal, log.transaction():
        append(log, Append(stream=STREAM, events=[JOHN]))
    assert refusal.value.sqlstate == "CK003"


def _record_ahead(log: psycopg.Connection[Any], ahead: timedelta) -> datetime:
    """Put an event into the log that a clock in the future recorded, and return its instant."""
    ((at,),) = log.execute(
        "INSERT INTO log.event"
        " VALUES (1, %s, 's', 1, 'X', 1, now(), NULL, clock_timestamp() + %s, '{}', '', '', %s, %s, 0, '{}')"
        " RETURNING recorded_at",
        [uuid4(), ahead, bytes(32), uuid4()],
    ).fetchall()
    assert isinstance(at, datetime)
    return at


def test_a_clock_that_lags_more_than_a_second_is_refused(log: psycopg.Connection[Any]) -> None:
    with log.transaction(force_rollback=True):
        _record_ahead(log, timedelta(seconds=60))
        with pytest.raises(psycopg.DatabaseError, match="behind the last event") as refusal, log.transaction():
            append(log, Append(stream=STREAM, events=[JOHN]))
        assert refusal.value.sqlstate == "CK001"


def test_a_clock_that_lags_less_goes_on_a_microsecond_after_the_last_event(log: psycopg.Connection[Any]) -> None:
    with log.transaction(force_rollback=True):
        last = _record_ahead(log, timedelta(milliseconds=900))
        (answer,) = append(log, Append(stream=STREAM, events=[JOHN]))
        assert answer.recorded_at == last + timedelta(microseconds=1)
