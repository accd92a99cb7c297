"""What is packed as an array is the array that PostgreSQL has."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from db import arrays

LONG_AGO = datetime(1, 1, 1, tzinfo=UTC)
FAR_OFF = datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)


@pytest.mark.parametrize(
    ("pack", "name", "values"),
    [
        (arrays.uuids, "uuid", [uuid4(), None, UUID(int=0), UUID(int=2**128 - 1)]),
        (arrays.smallints, "smallint", [0, None, -1, 2**15 - 1]),
        (arrays.integers, "integer", [0, None, -1, 2**31 - 1]),
        (arrays.bytestrings, "bytea", [b"", None, b"\x00\xff", b"x" * 70_000]),
        (arrays.texts, "text", ["", None, 'a "quoted" {b}, NULL', "ä€😀", "x" * 70_000]),
        (arrays.instants, "timestamptz", [LONG_AGO, None, datetime(2000, 1, 1, tzinfo=UTC), FAR_OFF]),
        (arrays.intervals, "interval", [timedelta(0), None, timedelta(days=400, seconds=5, microseconds=1)]),
    ],
)
def test_what_is_packed_is_what_the_server_reads(
    database: str, pack: Callable[[Any], arrays.Packed], name: str, values: list[Any]
) -> None:
    with psycopg.connect(database, options="-c timezone=UTC") as connection:
        for some in (values, values[:1], [None], []):
            asked = f"SELECT %b::{name}[], cardinality(%b::{name}[])"
            row = connection.execute(asked.encode(), [pack(some), pack(some)]).fetchone()
            assert row == (some, len(some))


def test_texts_that_are_encoded_already_are_the_same_array() -> None:
    values = ["", None, "ä€😀"]
    encoded = [None if value is None else value.encode() for value in values]
    assert arrays.encoded_texts(encoded) == arrays.texts(values)
