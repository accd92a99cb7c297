"""Loading a set of tables: the log read page by page, whole streams folded, their rows copied in portions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any

from psycopg import sql

from db.queries import statement
from projector.contents import Content, contents
from projector.replay import replay
from shared.core.codec import STREAM, VERSION, LogRow

if TYPE_CHECKING:
    import psycopg

PAGE_EVENTS = 4000
PORTION_EVENTS = 4000
"""What is in memory: a page of the log, and the rows of so many events; a longer stream is held as a whole."""


def load(
    connection: psycopg.Connection[Any], set_name: str, up_to: int, clock: datetime, told: Callable[[int], None]
) -> Counter[str]:
    """Copy the rows that the log up to a position leads to into empty tables, and count them by table.

    Each portion is a transaction of its own, and each page a statement of its own: nothing holds a snapshot for long.
    `told` hears of how many events were folded so far.
    """
    counted: Counter[str] = Counter()
    events = 0
    for portion in replay(pages(connection, up_to), PORTION_EVENTS):
        with connection.transaction():
            for content in contents(portion.writes, clock):
                counted[content.table] += _copy(connection, set_name, content)
        events += portion.events
        told(events)
    return counted


def pages(connection: psycopg.Connection[Any], up_to: int) -> Iterator[LogRow]:
    """Yield every event up to a position, stream by stream."""
    stream, version = "", 0
    while True:
        cursor = connection.cursor(binary=True)
        parameters = {"stream": stream, "version": version, "up_to": up_to, "limit": PAGE_EVENTS}
        cursor.execute(statement("projector/read_page"), parameters, prepare=True)
        rows = cursor.fetchall()
        yield from rows
        if len(rows) < PAGE_EVENTS:
            return
        stream, version = rows[-1][STREAM], rows[-1][VERSION]


def _copy(connection: psycopg.Connection[Any], set_name: str, content: Content) -> int:
    """Copy rows into a table, and return how many."""
    copied = 1
    rows = iter(content.rows)
    first = next(rows, None)
    if first is None:
        return 0
    into = sql.SQL("COPY {} ({}) FROM STDIN").format(
        sql.Identifier(set_name, content.table), sql.SQL(", ").join(map(sql.Identifier, content.columns))
    )
    with connection.cursor().copy(into) as copy:
        copy.write_row(first)
        for row in rows:
            copy.write_row(row)
            copied += 1
    return copied
