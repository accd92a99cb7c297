"""Columns of values as PostgreSQL's arrays in binary: psycopg looks at every element several times to find its type.

A statement names the type (`%(ids)b::uuid[]`); whoever packs an array says the same one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from struct import Struct
from typing import Any
from uuid import UUID

import psycopg
from psycopg.adapt import Dumper
from psycopg.pq import Format

_head = Struct(">iiiii").pack
_size = Struct(">i").pack
_int2 = Struct(">ih").pack
_int4 = Struct(">ii").pack
_int8 = Struct(">iq").pack
_interval = Struct(">iqii").pack
NULL = _size(-1)
UUID_SIZE = _size(16)
EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
DAY = timedelta(days=1)

Pack = Callable[[Sequence[Any]], "Packed"]


class Packed(bytes):
    """An array as it goes to the server."""

    __slots__ = ()


class PackedDumper(Dumper):
    """Sends a packed array; its type is that of the statement."""

    format = Format.BINARY

    def dump(self, obj: Packed) -> Packed:
        """Return it as it is."""
        return obj


psycopg.adapters.register_dumper(Packed, PackedDumper)


def _packed(oid: int, elements: Iterable[bytes], count: int) -> Packed:
    """Return an array of one dimension, from 1. That it may hold NULL is always said: the server finds out itself."""
    return Packed(_head(1 if count else 0, 1, oid, count, 1)[: 20 if count else 12] + b"".join(elements))


def uuids(values: Sequence[UUID | None]) -> Packed:
    """Return a uuid[]."""
    return _packed(2950, [NULL if value is None else UUID_SIZE + value.bytes for value in values], len(values))


def smallints(values: Sequence[int | None]) -> Packed:
    """Return a smallint[]."""
    return _packed(21, [NULL if value is None else _int2(2, value) for value in values], len(values))


def integers(values: Sequence[int | None]) -> Packed:
    """Return an integer[]."""
    return _packed(23, [NULL if value is None else _int4(4, value) for value in values], len(values))


def bytestrings(values: Sequence[bytes | None]) -> Packed:
    """Return a bytea[]."""
    return _packed(17, [NULL if value is None else _size(len(value)) + value for value in values], len(values))


def texts(values: Sequence[str | None]) -> Packed:
    """Return a text[]."""
    raw = [None if value is None else value.encode() for value in values]
    return _packed(25, [NULL if value is None else _size(len(value)) + value for value in raw], len(values))


def instants(values: Sequence[datetime | None]) -> Packed:
    """Return a timestamptz[]: microseconds since 2000."""
    elements = [NULL if value is None else _int8(8, (value - EPOCH) // MICROSECOND) for value in values]
    return _packed(1184, elements, len(values))


def intervals(values: Sequence[timedelta | None]) -> Packed:
    """Return an interval[]: microseconds, days, months."""
    elements = [
        NULL if value is None else _interval(16, (value - value.days * DAY) // MICROSECOND, value.days, 0)
        for value in values
    ]
    return _packed(1186, elements, len(values))
