"""PURE: values as PostgreSQL takes them in binary, each after its length: as elements of arrays, and as cells of COPY.

The form is that of each type's `send` function; only the types that our tables and statements need are known here.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from struct import Struct
from uuid import UUID

EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
DAY = timedelta(days=1)
NULL = b"\xff\xff\xff\xff"
TIMESTAMPTZ = 1184
"""What PostgreSQL calls the type in its catalog: an array names what it is an array of."""

size = Struct(">i").pack
_array_head = Struct(">iiiii").pack
_int2 = Struct(">ih").pack
_int4 = Struct(">ii").pack
_int8 = Struct(">iq").pack
_interval = Struct(">iqii").pack
_BOOLEANS = {None: NULL, True: size(1) + b"\1", False: size(1) + b"\0"}
_UUID = size(16)


def smallints(values: Sequence[int | None]) -> list[bytes]:
    """Return each as a smallint."""
    return [NULL if value is None else _int2(2, value) for value in values]


def integers(values: Sequence[int | None]) -> list[bytes]:
    """Return each as an integer."""
    return [NULL if value is None else _int4(4, value) for value in values]


def bigints(values: Sequence[int | None]) -> list[bytes]:
    """Return each as a bigint."""
    return [NULL if value is None else _int8(8, value) for value in values]


def booleans(values: Sequence[bool | None]) -> list[bytes]:
    """Return each as a boolean."""
    return [_BOOLEANS[value] for value in values]


def uuids(values: Sequence[UUID | None]) -> list[bytes]:
    """Return each as a uuid."""
    return [NULL if value is None else _UUID + value.bytes for value in values]


def bytestrings(values: Sequence[bytes | None]) -> list[bytes]:
    """Return each as a bytea."""
    return [NULL if value is None else size(len(value)) + value for value in values]


def texts(values: Sequence[str | None]) -> list[bytes]:
    """Return each as a text, or as json."""
    return bytestrings([None if value is None else value.encode() for value in values])


def instants(values: Sequence[datetime | None]) -> list[bytes]:
    """Return each as a timestamptz."""
    return list(map(_instant, values))


def intervals(values: Sequence[timedelta | None]) -> list[bytes]:
    """Return each as an interval: microseconds, days, months."""
    return [
        NULL if value is None else _interval(16, (value - value.days * DAY) // MICROSECOND, value.days, 0)
        for value in values
    ]


def array(oid: int, elements: Sequence[bytes]) -> bytes:
    """Return elements of a type as an array of one dimension, from 1; an empty one has none.

    That it may hold NULL is always said: the server finds out itself.
    """
    head = _array_head(1 if elements else 0, 1, oid, len(elements), 1)
    return head[: 20 if elements else 12] + b"".join(elements)


def arrays_of_instants(values: Iterable[Sequence[datetime] | None]) -> list[bytes]:
    """Return each as a timestamptz[]."""
    return bytestrings([None if value is None else array(TIMESTAMPTZ, instants(value)) for value in values])


@lru_cache(maxsize=8192)
def _instant(value: datetime | None) -> bytes:
    """Return an instant in microseconds since PostgreSQL's epoch; an event's comes again in most of its rows."""
    return NULL if value is None else _int8(8, (value - EPOCH) // MICROSECOND)
