"""The oracle says what a small history must look like, and notices any cell, of any table, that is not so."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg import sql
from psycopg.rows import dict_row
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
    entity_stream,
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
FIRST = len(TYPES) + 1  # the position of the first event of John's


@pytest.fixture
def connection(database: str) -> Iterator[psycopg.Connection[Any]]:
    """A database whose log has the types and John's history, and whose tables hold what the oracle expects of it.

    All in one transaction that is rolled back: what a test breaks is whole again at its end.
    """
    with psycopg.connect(database) as connection:
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


def unguard(connection: psycopg.Connection[Any]) -> None:
    """Take away what keeps wrong rows out, to see that the oracle would notice them."""
    connection.execute(
        """
        DO $$ DECLARE statement text; BEGIN
            FOR statement IN
                SELECT format('ALTER TABLE %s DROP CONSTRAINT %I', conrelid::regclass, conname) FROM pg_constraint
                WHERE connamespace IN ('read_model'::regnamespace, 'log'::regnamespace) AND contype IN ('c', 'x', 'u')
                UNION ALL SELECT format('DROP INDEX %s', indexrelid::regclass) FROM pg_index
                WHERE indexrelid::regclass::text LIKE 'read_model.unique%'
                UNION ALL SELECT 'ALTER TABLE log.event DISABLE TRIGGER USER'
            LOOP EXECUTE statement; END LOOP;
        END $$
        """
    )


def expected(connection: psycopg.Connection[Any], table: str, uid: UUID = UID) -> list[dict[str, Any]]:
    log = read_log(connection)
    rows = oracle.expected_tables(log, log[-1].recorded_at)[table]
    return [row for row in rows if row.get("entity_uid", uid) == uid]


def test_tables_that_are_what_the_log_says_pass(connection: psycopg.Connection[Any]) -> None:
    oracle.check(connection)


def test_the_rows_of_a_history(connection: psycopg.Connection[Any]) -> None:
    rows = expected(connection, "entity_version")
    reopened_at = rows[-1]["created_at"]
    assert [(r["id"], r["display_name"], r["entity_type"], r["valid_from"], r["valid_to"]) for r in rows] == [
        (FIRST << 16, "John", "PERSON", day(1), day(5)),
        (FIRST + 1 << 16, "Jane", "PERSON", day(5), day(9)),
        (FIRST + 2 << 16, "Jane", "INSTITUTION", day(9), day(12)),
        (FIRST + 4 << 16, "Jane", "INSTITUTION", reopened_at, None),
    ]
    assert [
        (r["id"], r["detail_type"], r["detail_value"], r["valid_from"], r["valid_to"])
        for r in expected(connection, "entity_detail_version")
    ] == [
        ((FIRST << 16) + 1, "EMAIL", "john@example.com", day(1), day(5)),
        ((FIRST + 1 << 16) + 1, "EMAIL", "jane@example.com", day(5), day(9)),
        ((FIRST + 1 << 16) + 2, "PHONE", "1", day(5), day(12)),
        ((FIRST + 4 << 16) + 1, "PHONE", "1", reopened_at, None),
    ]


def test_the_audit_of_a_history(connection: psycopg.Connection[Any]) -> None:
    entries = expected(connection, "audit_entry")
    assert [
        (e["position"] - FIRST, e["operation"], e["detail_code"], e["before_value"], e["after_value"]) for e in entries
    ] == [
        (0, "INSERT", None, None, {"display_name": "John", "entity_type": "PERSON"}),
        (0, "INSERT", "EMAIL", None, {"detail_value": "john@example.com"}),
        (1, "UPDATE", None, {"display_name": "John"}, {"display_name": "Jane"}),
        (1, "UPDATE", "EMAIL", {"detail_value": "john@example.com"}, {"detail_value": "jane@example.com"}),
        (1, "INSERT", "PHONE", None, {"detail_value": "1"}),
        (2, "UPDATE", None, {"entity_type": "PERSON"}, {"entity_type": "INSTITUTION"}),
        (2, "DELETE", "EMAIL", {"detail_value": "jane@example.com"}, None),
        (3, "DELETE", None, {"display_name": "Jane", "entity_type": "INSTITUTION"}, None),
        (3, "DELETE", "PHONE", {"detail_value": "1"}, None),
        (4, "INSERT", None, None, {"display_name": "Jane", "entity_type": "INSTITUTION"}),
        (4, "INSERT", "PHONE", None, {"detail_value": "1"}),
    ]
    assert [e["audit_id"] & 0xFFFF for e in entries] == [0, 1, 0, 1, 2, 0, 1, 0, 1, 0, 1]


SECOND = FIRST + len(HISTORY)  # the position of the first event of Mary's


def test_the_rows_of_a_history_that_was_corrected(connection: psycopg.Connection[Any]) -> None:
    rows = expected(connection, "entity_version", MARY)
    assert [(r["id"] >> 16, r["display_name"], r["valid_from"], r["valid_to"], r["is_current"]) for r in rows] == [
        (SECOND + 2, "Mary", day(1), day(3), False),
        (SECOND + 2, "Bo", day(3), day(5), False),
        (SECOND + 5, "Mary", day(5), day(9), False),
        (SECOND + 1, "May", day(9), SCHEDULED, True),
        (SECOND + 3, "Moll", SCHEDULED, None, False),
    ]
    superseded = expected(connection, "entity_version_superseded", MARY)
    assert [
        (r["id"] >> 16, r["display_name"], r["valid_from"], r["valid_to"], r["recorded_to_position"])
        for r in superseded
    ] == [
        (SECOND, "Mary", day(1), day(9), SECOND + 2),
        (SECOND + 2, "Mary", day(5), day(9), SECOND + 4),
        (SECOND + 4, "Mary", day(5), day(7), SECOND + 5),
        (SECOND + 4, "Wrong", day(7), day(9), SECOND + 5),
    ]
    (head,) = expected(connection, "entity_head", MARY)
    assert (head["change_points"], head["schedule"]) == (4 + 2 + 2 * 2 + 1, [SCHEDULED])


def test_the_audit_of_a_correction_tells_the_first_instant_that_is_not_what_it_was(
    connection: psycopg.Connection[Any],
) -> None:
    entries = [e for e in expected(connection, "audit_entry", MARY) if e["position"] > SECOND + 1]
    assert [(e["audit_id"] - (SECOND << 16), e["before_value"], e["after_value"], e["reason"]) for e in entries] == [
        (2 << 16, {"display_name": "Mary"}, {"display_name": "Bo"}, "a letter came late"),
        ((2 << 16) + 1, {"detail_value": "m@example.com"}, None, "a letter came late"),
        (3 << 16, {"display_name": "May"}, {"display_name": "Moll"}, None),
        (4 << 16, {"display_name": "Mary"}, {"display_name": "Wrong"}, None),
        (5 << 16, {"display_name": "Wrong"}, {"display_name": "Mary"}, None),
    ]


def test_the_registry_folds_into_both_tables_of_types(connection: psycopg.Connection[Any]) -> None:
    rows = expected(connection, "entity_type") + expected(connection, "detail_type")
    active = {row["code"]: row["is_active"] for row in rows}
    assert active == {"PERSON": True, "INSTITUTION": True, "TRUST": False, "EMAIL": True, "PHONE": True, "FAX": False}


def another(column: str, value: Any) -> Any:
    """Return a value of the column's type that is not this one."""
    if value is None:
        instants = {"valid_to", "asserted_to", "effective_until"}
        return (
            day(50) if column in instants else 7 if column.endswith("_position") else {} if "_value" in column else "x"
        )
    if isinstance(value, bool):
        return not value
    if isinstance(value, UUID):
        return UUID(int=value.int + 1000)
    if isinstance(value, dict):
        return {**value, "x": "y"}
    if isinstance(value, list):
        return [*value, day(50)]
    return value + {int: 1000, str: "x", bytes: b"x", datetime: timedelta(microseconds=1)}[type(value)]


def rows_of(connection: psycopg.Connection[Any], schema: str, table: str) -> list[dict[str, Any]]:
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(sql.SQL("SELECT * FROM {}").format(sql.Identifier(schema, table))).fetchall()


def overwrite(
    connection: psycopg.Connection[Any], schema: str, table: str, key: str, row: dict[str, Any], column: str
) -> None:
    value = another(column, row[column])
    done = connection.execute(
        sql.SQL("UPDATE {} SET {} = %s WHERE {} = %s").format(
            sql.Identifier(schema, table), sql.Identifier(column), sql.Identifier(key)
        ),
        [Json(value) if isinstance(value, dict) else value, row[key]],
    )
    assert done.rowcount == 1


@pytest.mark.parametrize("table", oracle.KEYS)
def test_every_cell_of_every_table_is_compared(connection: psycopg.Connection[Any], table: str) -> None:
    unguard(connection)
    key = oracle.KEYS[table]
    for row in rows_of(connection, "read_model", table):
        for column in row:
            told = "" if column == key else f" {column}:"
            with connection.transaction(force_rollback=True):
                overwrite(connection, "read_model", table, key, row, column)
                with pytest.raises(AssertionError, match=rf"^{table} [^ ]+{told}.* the log says .*, the table has "):
                    oracle.check(connection)


def test_a_row_too_few_is_noticed(connection: psycopg.Connection[Any]) -> None:
    for table, key in oracle.KEYS.items():
        name = rows_of(connection, "read_model", table)[-1][key]
        with connection.transaction(force_rollback=True):
            delete = sql.SQL("DELETE FROM read_model.{} WHERE {} = %s")
            connection.execute(delete.format(sql.Identifier(table), sql.Identifier(key)), [name])
            with pytest.raises(AssertionError, match=rf"^{table} {name}: .* the table has no such row"):
                oracle.check(connection)


def test_the_message_tells_both_values(connection: psycopg.Connection[Any]) -> None:
    connection.execute("UPDATE read_model.entity_version SET valid_to = %s WHERE valid_to = %s", [day(4), day(5)])
    with pytest.raises(AssertionError) as difference:
        oracle.check(connection)
    assert str(difference.value).splitlines()[0] == (
        f"entity_version {FIRST << 16} valid_to: "
        "the log says 2024-01-05T00:00:00+00:00, the table has 2024-01-04T00:00:00+00:00"
    )


def test_every_column_of_the_log_is_guarded(connection: psycopg.Connection[Any]) -> None:
    unguard(connection)
    for row in rows_of(connection, "log", "event"):
        for column in row:
            with connection.transaction(force_rollback=True):
                overwrite(connection, "log", "event", "position", row, column)
                with pytest.raises(AssertionError, match=r"^(event|the log) "):
                    oracle.check(connection)


def test_a_read_model_that_is_behind_is_held_against_what_it_has_read(connection: psycopg.Connection[Any]) -> None:
    log = read_log(connection)
    append(connection, Append(stream=JOHNS, events=[EntityRetired()]))
    oracle.check(connection)
    set_checkpoint(connection, len(log) + 1)
    with pytest.raises(AssertionError, match=r"^entity_version "):
        oracle.check(connection)
    set_checkpoint(connection, len(log) - 1)
    with pytest.raises(AssertionError, match=r"^entity_version "):
        oracle.check(connection)


def test_a_checkpoint_beyond_the_log_is_noticed(connection: psycopg.Connection[Any]) -> None:
    connection.execute("UPDATE read_model.checkpoint SET position = position + 1")
    with pytest.raises(AssertionError, match=r"^checkpoint: "):
        oracle.check(connection)


def test_a_checkpoint_that_tells_another_instant_is_noticed(connection: psycopg.Connection[Any]) -> None:
    connection.execute("UPDATE read_model.checkpoint SET recorded_at = recorded_at - interval '1 microsecond'")
    with pytest.raises(AssertionError, match=r"^checkpoint recorded_at: "):
        oracle.check(connection)


def test_what_is_parked_is_left_out_and_what_came_before_it_is_not(connection: psycopg.Connection[Any]) -> None:
    append(connection, Append(stream=JOHNS, events=[EntityRetired()]), Append(stream=JOHNS, events=[EntityReopened()]))
    last = len(read_log(connection))
    connection.execute("INSERT INTO read_model.parked_event VALUES (%s, %s, 'a test')", [last - 1, JOHNS])
    set_checkpoint(connection, last)
    with pytest.raises(AssertionError, match=rf"^parked_event: {JOHNS} is parked from event {last - 1} on"):
        oracle.check(connection)
    connection.execute("INSERT INTO read_model.parked_event VALUES (%s, %s, 'a test')", [last, JOHNS])
    oracle.check(connection)
    connection.execute("UPDATE read_model.entity_version SET display_name = 'X'")
    with pytest.raises(AssertionError, match=r"^entity_version "):
        oracle.check(connection)
