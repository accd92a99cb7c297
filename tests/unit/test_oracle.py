"""The oracle notices any cell, of any table and of the log, that is not what the log says."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg import sql
from psycopg.rows import dict_row
from psycopg.types.json import Json

from shared.core.events import (
    EntityReopened,
    EntityRetired,
)
from tests import oracle
from tests.appending import Append, append
from tests.given import day
from tests.oracle_log import read_log
from tests.unit.logged import FIRST, JOHNS, set_checkpoint


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


def test_tables_that_are_what_the_log_says_pass(connection: psycopg.Connection[Any]) -> None:
    oracle.check(connection)


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
