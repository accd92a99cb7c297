"""What is encoded for a binary COPY is read by PostgreSQL as what it was."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from projector.binary import ENCODERS, encoded

instants = st.datetimes(
    datetime(1, 1, 2), datetime(9999, 12, 30), timezones=st.sampled_from([UTC, timezone(timedelta(hours=-7))])
)
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
VALUES = {
    "bigint": st.none() | st.integers(-(2**63), 2**63 - 1),
    "integer": st.none() | st.integers(-(2**31), 2**31 - 1),
    "boolean": st.none() | st.booleans(),
    "uuid": st.none() | st.uuids(),
    "text": st.none() | texts,
    "json": st.none() | st.sampled_from(['{"a":"Ä"}', "[]"]),
    "timestamp with time zone": st.none() | instants,
    "timestamp with time zone[]": st.none() | st.lists(instants, max_size=3),
}


def test_every_type_that_a_table_has_is_known(database: str) -> None:
    with psycopg.connect(database) as connection:
        found = connection.execute(
            "SELECT DISTINCT format_type(a.atttypid, NULL) FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid"
            " WHERE c.relnamespace = 'read_model'::regnamespace AND c.relkind = 'r' AND a.attnum > 0"
            " AND NOT a.attisdropped"
        ).fetchall()
    assert {kind for (kind,) in found} <= ENCODERS.keys() == VALUES.keys()


def test_what_goes_in_comes_out(database: str) -> None:
    with psycopg.connect(database) as connection:
        columns = ", ".join(f'"{kind}" {kind}' for kind in VALUES)
        connection.execute(f"CREATE TEMP TABLE cells (n bigint, {columns})".encode())

        @given(st.lists(st.tuples(*VALUES.values()), max_size=5))
        def check(rows: list[tuple[object, ...]]) -> None:
            connection.execute("TRUNCATE cells")
            numbered = [(n, *row) for n, row in enumerate(rows)]
            with connection.cursor().copy("COPY cells FROM STDIN (FORMAT binary)") as copy:
                copy.write(encoded(["bigint", *VALUES], numbered))
            connection.execute("ALTER TABLE cells ALTER json TYPE text")
            assert connection.execute("SELECT * FROM cells ORDER BY n").fetchall() == numbered
            connection.execute("ALTER TABLE cells ALTER json TYPE json USING json::json")

        check()


def test_a_type_that_is_not_known_is_no_silence() -> None:
    with pytest.raises(KeyError, match="money"):
        encoded(["money"], [(1,)])
