"""Loading a set of tables: the log read page by page, whole streams folded, their rows copied in portions.

While the server copies, and reads on, the next streams are folded: none of the two waits for the other.
"""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from psycopg import sql

from db.queries import statement
from projector.binary import encoded
from projector.contents import KEYS, Content, contents
from projector.replay import replay
from projector.sets import NEXT
from shared.core.codec import STREAM, VERSION, LogRow
from shared.core.errors import CockpitError

if TYPE_CHECKING:
    import psycopg

PAGE_EVENTS = 2000
PORTION_EVENTS = 4000
"""What is in memory: a page of the log and the next one, the rows of so many events, and those that are being copied; a
longer stream is held as a whole."""
LAST_VERSION = 2**31 - 1
YOUNG_OBJECTS = 50_000


class SetGone(CockpitError):
    """The tables that were being loaded are there no more: another rebuild has begun."""


class Share(Struct, frozen=True):
    """What one load is for: the streams after one, up to another (None: to the last), up to a position of the log.

    The tables that it fills are known by `set_id`, whether a row is current is as of the clock.
    """

    set_id: int
    up_to: int
    clock: datetime
    after: str = ""
    last: str | None = None


def load(connection: psycopg.Connection[Any], share: Share, told: Callable[[int], None]) -> Counter[str]:
    """Copy the rows that a share of the log leads to into the new set, and count them by table. Raises SetGone.

    Each portion is a transaction of its own, and each page a statement of its own: nothing holds a snapshot for long.
    `told` hears of how many events were folded so far.
    """
    with _few_collections():
        return _load(connection, share, told)


def _load(connection: psycopg.Connection[Any], share: Share, told: Callable[[int], None]) -> Counter[str]:
    """Fold while a thread reads the next page, and copies the portion before."""
    counted: Counter[str] = Counter()
    events = 0
    types = {table: _types_of(connection, table) for table in KEYS}
    with ThreadPoolExecutor(1) as thread:
        copying: Future[None] | None = None
        for portion in replay(_ahead(thread, pages(connection, share)), PORTION_EVENTS):
            packed = [_pack(content, types[content.table]) for content in contents(portion.writes, share.clock)]
            if copying is not None:
                copying.result()
                told(events)  # may use the connection: no transaction is under way
            copying = thread.submit(_copy, connection, share.set_id, packed)
            counted.update({one.table: one.rows for one in packed})
            events += portion.events
            del portion, packed  # else they would be there until the next ones are
        if copying is not None:
            copying.result()
            told(events)
    return counted


@contextmanager
def _few_collections() -> Iterator[None]:
    """Look for cycles of objects less often: the fold makes none, and many objects that live as long as a portion."""
    usual = gc.get_threshold()
    gc.set_threshold(YOUNG_OBJECTS)
    try:
        yield
    finally:
        gc.set_threshold(*usual)


def pages(connection: psycopg.Connection[Any], share: Share) -> Iterator[LogRow]:
    """Yield every event of a share, stream by stream."""
    stream, version = share.after, LAST_VERSION
    while True:
        cursor = connection.cursor(binary=True)
        parameters = {"stream": stream, "version": version, "up_to": share.up_to, "limit": PAGE_EVENTS}
        cursor.execute(statement("projector/read_page"), parameters, prepare=True)
        rows = cursor.fetchall()
        for row in rows:
            if share.last is not None and row[STREAM] > share.last:  # as the database has it: by code points
                return
            yield row
        if len(rows) < PAGE_EVENTS:
            return
        stream, version = rows[-1][STREAM], rows[-1][VERSION]


def _ahead(thread: Executor, rows: Iterator[LogRow]) -> Iterator[LogRow]:
    """Yield rows, of which a thread takes the next page meanwhile."""

    def page() -> list[LogRow]:
        return list(islice(rows, PAGE_EVENTS))

    coming = thread.submit(page)
    while taken := coming.result():
        coming = thread.submit(page)
        yield from taken


class _Packed(Struct, frozen=True):
    """Some rows of one table as COPY takes them, of these columns."""

    table: str
    columns: Sequence[str]
    rows: int
    cells: bytes


def _pack(content: Content, types: Mapping[str, str]) -> _Packed:
    rows = list(content.rows)
    cells = encoded([types[column] for column in content.columns], rows)
    return _Packed(content.table, content.columns, len(rows), cells)


def _copy(connection: psycopg.Connection[Any], set_id: int, packed: Sequence[_Packed]) -> None:
    """Copy a portion into the tables of the new set, in a transaction. Raises SetGone."""
    with connection.transaction():
        found = connection.execute(statement("projector/begin_portion"), {"set_id": set_id}).fetchone()
        if found is None or not found[0]:
            raise SetGone
        for one in packed:
            if one.rows:
                into = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT binary)").format(
                    sql.Identifier(NEXT, one.table), sql.SQL(", ").join(map(sql.Identifier, one.columns))
                )
                with connection.cursor().copy(into) as copy:
                    copy.write(one.cells)


def _types_of(connection: psycopg.Connection[Any], table: str) -> dict[str, str]:
    named = {"table": f"{NEXT}.{table}"}
    return dict(connection.execute(statement("projector/list_columns"), named).fetchall())
