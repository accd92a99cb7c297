"""Loading a set of tables: the log read page by page, whole streams folded, their rows copied in portions."""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from psycopg import sql

from db.queries import statement
from projector.binary import encoded
from projector.contents import Content, contents
from projector.replay import replay
from projector.sets import NEXT
from shared.core.codec import STREAM, VERSION, LogRow
from shared.core.errors import CockpitError

if TYPE_CHECKING:
    import psycopg

PAGE_EVENTS = 4000
PORTION_EVENTS = 4000
"""What is in memory: a page of the log, and the rows of so many events; a longer stream is held as a whole."""
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
    counted: Counter[str] = Counter()
    copier = _Copier(connection)
    events = 0
    for portion in replay(pages(connection, share), PORTION_EVENTS):
        with connection.transaction():
            found = connection.execute(statement("projector/begin_portion"), {"set_id": share.set_id}).fetchone()
            if found is None or not found[0]:
                raise SetGone
            for content in contents(portion.writes, share.clock):
                counted[content.table] += copier.copy(content)
        events += portion.events
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


class _Copier:
    """Copies rows into the tables of the new set; what types their columns have it asks once."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection
        self._types: dict[str, dict[str, str]] = {}

    def copy(self, content: Content) -> int:
        """Copy rows into a table, and return how many."""
        rows = list(content.rows)
        if rows:
            into = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT binary)").format(
                sql.Identifier(NEXT, content.table), sql.SQL(", ").join(map(sql.Identifier, content.columns))
            )
            types = self._types_of(content.table)
            with self._connection.cursor().copy(into) as copy:
                copy.write(encoded([types[column] for column in content.columns], rows))
        return len(rows)

    def _types_of(self, table: str) -> dict[str, str]:
        if table not in self._types:
            named = {"table": f"{NEXT}.{table}"}
            self._types[table] = dict(self._connection.execute(statement("projector/list_columns"), named).fetchall())
        return self._types[table]
