"""PURE: rows as a binary COPY takes them, put together column by column: a fraction of the work of one row by one.

The format is PostgreSQL's own (in its manual under COPY, "Binary Format"); a cell is what its type would send. Only the
types that the tables are made of are known here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import chain, repeat
from struct import Struct
from typing import Any

HEADER, TRAILER = b"PGCOPY\n\xff\r\n\0" + bytes(8), b"\xff\xff"
NULL = b"\xff\xff\xff\xff"
EPOCH, MICROSECOND = datetime(2000, 1, 1, tzinfo=UTC), timedelta(microseconds=1)
INSTANT_TYPE = 1184
"""What PostgreSQL calls timestamptz in its catalog: an array names what it is an array of."""

Cells = Sequence[Any]

_short, _length, _integer, _bigint = (Struct(f">{codes}").pack for codes in ("h", "i", "ii", "iq"))
_array_head, _dimension = Struct(">3i").pack, Struct(">2i").pack
_BOOLEANS = {None: NULL, True: _length(1) + b"\1", False: _length(1) + b"\0"}
_UUID = _length(16)


def encoded(types: Sequence[str], rows: Iterable[Cells]) -> bytes:
    """Return some rows, their columns of these types, as one whole that COPY takes. Raises KeyError for other types."""
    columns = list(zip(*rows, strict=True))
    if not columns:
        return HEADER + TRAILER
    cells = [ENCODERS[name](column) for name, column in zip(types, columns, strict=True)]
    counts = repeat(_short(len(types)), len(columns[0]))
    return b"".join((HEADER, *chain.from_iterable(zip(counts, *cells, strict=True)), TRAILER))


def _bigints(cells: Cells) -> Iterable[bytes]:
    return [NULL if cell is None else _bigint(8, cell) for cell in cells]


def _integers(cells: Cells) -> Iterable[bytes]:
    return [NULL if cell is None else _integer(4, cell) for cell in cells]


def _booleans(cells: Cells) -> Iterable[bytes]:
    return [_BOOLEANS[cell] for cell in cells]


def _uuids(cells: Cells) -> Iterable[bytes]:
    return [NULL if cell is None else _UUID + cell.bytes for cell in cells]


def _texts(cells: Cells) -> Iterable[bytes]:
    raws = [None if cell is None else cell.encode() for cell in cells]
    return [NULL if raw is None else _length(len(raw)) + raw for raw in raws]


def _instants(cells: Cells) -> Iterable[bytes]:
    return map(_instant, cells)


def _arrays_of_instants(cells: Cells) -> Iterable[bytes]:
    return [NULL if cell is None else _array(list(map(_instant, cell))) for cell in cells]


@lru_cache(maxsize=8192)
def _instant(cell: datetime | None) -> bytes:
    """Return an instant in microseconds since PostgreSQL's epoch; an event's comes again in most of its rows."""
    return NULL if cell is None else _bigint(8, (cell - EPOCH) // MICROSECOND)


def _array(elements: Sequence[bytes]) -> bytes:
    """Return an array of instants, which counts from 1; an empty one has no dimension."""
    dimensions = [_dimension(len(elements), 1)] if elements else []
    whole = b"".join((_array_head(len(dimensions), 0, INSTANT_TYPE), *dimensions, *elements))
    return _length(len(whole)) + whole


ENCODERS: dict[str, Callable[[Cells], Iterable[bytes]]] = {
    "bigint": _bigints,
    "integer": _integers,
    "boolean": _booleans,
    "uuid": _uuids,
    "text": _texts,
    "json": _texts,
    "timestamp with time zone": _instants,
    "timestamp with time zone[]": _arrays_of_instants,
}
