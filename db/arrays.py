"""Columns of values as PostgreSQL's arrays in binary: psycopg looks at every element several times to find its type.

A statement names the type (`%(ids)b::uuid[]`); whoever packs an array says the same one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
from psycopg.adapt import Dumper
from psycopg.pq import Format

from db import cells

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


def uuids(values: Sequence[UUID | None]) -> Packed:
    """Return a uuid[]."""
    return Packed(cells.array(2950, cells.uuids(values)))


def smallints(values: Sequence[int | None]) -> Packed:
    """Return a smallint[]."""
    return Packed(cells.array(21, cells.smallints(values)))


def integers(values: Sequence[int | None]) -> Packed:
    """Return an integer[]."""
    return Packed(cells.array(23, cells.integers(values)))


def bigints(values: Sequence[int | None]) -> Packed:
    """Return a bigint[]."""
    return Packed(cells.array(20, cells.bigints(values)))


def booleans(values: Sequence[bool | None]) -> Packed:
    """Return a boolean[]."""
    return Packed(cells.array(16, cells.booleans(values)))


def bytestrings(values: Sequence[bytes | None]) -> Packed:
    """Return a bytea[]."""
    return Packed(cells.array(17, cells.bytestrings(values)))


def texts(values: Sequence[str | None]) -> Packed:
    """Return a text[]."""
    return Packed(cells.array(25, cells.texts(values)))


def encoded_texts(values: Sequence[bytes | None]) -> Packed:
    """Return a text[] of what is UTF-8 already."""
    return Packed(cells.array(25, cells.bytestrings(values)))


def instants(values: Sequence[datetime | None]) -> Packed:
    """Return a timestamptz[]."""
    return Packed(cells.array(cells.TIMESTAMPTZ, cells.instants(values)))


def intervals(values: Sequence[timedelta | None]) -> Packed:
    """Return an interval[]."""
    return Packed(cells.array(1186, cells.intervals(values)))
