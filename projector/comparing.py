"""Two sets of tables in one snapshot, compared bucket by bucket: how many rows differ, the first cell of each table.

Every column counts. Whether a row is current is compared as right or wrong at the clock of its own set.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from msgspec.structs import replace
from psycopg import sql

from db.queries import statement
from projector.contents import KEYS
from projector.sets import LIVE, NEXT
from projector.side_by_side import side_by_side

if TYPE_CHECKING:
    import psycopg

BUCKET_ROWS = 10_000


class Difference(Struct, frozen=True):
    """How many rows of a table differ, and the first cell: None of a row that is only in the other set."""

    table: str
    rows: int
    key: str
    column: str
    live: Any
    anew: Any


def compare(
    connection: psycopg.Connection[Any], conninfo: str, jobs: int, told: Callable[[int], None]
) -> list[Difference]:
    """Return where the new set differs from the live one, within the snapshot of the caller's transaction.

    Several tables are compared at a time, on connections that see the same. `told` hears of how many rows were so far.
    """
    ((snapshot,),) = connection.execute("SELECT pg_export_snapshot()").fetchall()
    found: dict[str, Difference] = {}
    compared = 0

    def heard(said: int | Difference) -> None:
        nonlocal compared
        if isinstance(said, Difference):
            found[said.table] = said
        else:
            compared += said
            told(compared)

    def task(table: str, own: psycopg.Connection[Any], say: Callable[[int | Difference], None]) -> None:
        with own.transaction():
            own.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            own.execute(sql.SQL("SET TRANSACTION SNAPSHOT {}").format(snapshot))
            _compare(own, table, say)

    side_by_side(conninfo, jobs, [partial(task, table) for table in KEYS], heard)
    return [found[table] for table in KEYS if table in found]


def _compare(connection: psycopg.Connection[Any], table: str, say: Callable[[int | Difference], None]) -> None:
    """Say how many rows of a table each bucket has, and at the end where they differ, if they do."""
    key = KEYS[table]
    columns = [(name, kind) for name, kind in _columns(connection, table) if name != key]
    first: Difference | None = None
    rows, after = 0, None
    while True:
        up_to, size = _bucket(connection, table, key, after)
        bucket = _Bucket(table, key, columns, after, up_to)
        differing, row = _differing(connection, bucket)
        if differing and first is None:
            first = _first(bucket, row)
        rows += differing
        say(size)
        if up_to is None:
            break
        after = up_to
    if first is not None:
        say(replace(first, rows=rows))


class _Bucket(Struct, frozen=True):
    """Some rows of a table, by key: those after one, up to another; None is no bound."""

    table: str
    key: str
    columns: Sequence[tuple[str, str]]
    after: Any
    up_to: Any

    @property
    def has_flag(self) -> bool:
        """Whether its rows are current or not."""
        return any(name == "is_current" for name, _ in self.columns)


def _columns(connection: psycopg.Connection[Any], table: str) -> list[tuple[str, str]]:
    """Return the columns of a table in its order, and their types."""
    rows = connection.execute(statement("projector/list_columns"), {"table": f"{NEXT}.{table}"}).fetchall()
    return [(name, kind) for name, kind in rows]


def _bucket(connection: psycopg.Connection[Any], table: str, key: str, after: object) -> tuple[Any, int]:
    """Return the last key of the next bucket of the new set, None where nothing comes after it; and its size."""
    query = sql.SQL(
        "SELECT {key}, count(*) OVER () FROM (SELECT {key} FROM {table} {where} ORDER BY {key} LIMIT {limit}) AS page"
        " ORDER BY {key} DESC LIMIT 1"
    ).format(
        key=sql.Identifier(key),
        table=sql.Identifier(NEXT, table),
        where=_where(_Bucket(table, key, (), after, None)),
        limit=sql.Literal(BUCKET_ROWS),
    )
    row = connection.execute(query).fetchone() or (None, 0)
    return (row[0] if row[1] == BUCKET_ROWS else None), row[1]


def _differing(connection: psycopg.Connection[Any], bucket: _Bucket) -> tuple[int, tuple[Any, ...]]:
    """Return how many rows of a bucket differ, and the first: its key, then the cells of each set as texts."""
    cells = [_cells(bucket, LIVE, "live", is_shown=False), _cells(bucket, NEXT, "anew", is_shown=False)]
    shown = [_cells(bucket, LIVE, "live", is_shown=True), _cells(bucket, NEXT, "anew", is_shown=True)]
    query = sql.SQL(
        "SELECT count(*) OVER (), coalesce(live.{key}, anew.{key})::text,"
        " CASE WHEN live.{key} IS NOT NULL THEN ARRAY[{live_shown}]::text[] END,"
        " CASE WHEN anew.{key} IS NOT NULL THEN ARRAY[{next_shown}]::text[] END"
        " FROM (SELECT * FROM {live} {where}) AS live FULL JOIN (SELECT * FROM {anew} {where}) AS anew"
        " ON anew.{key} = live.{key}"
        " WHERE live.{key} IS NULL OR anew.{key} IS NULL OR ROW({live_cells}) IS DISTINCT FROM ROW({next_cells})"
        " ORDER BY coalesce(live.{key}, anew.{key}) LIMIT 1"
    ).format(
        key=sql.Identifier(bucket.key),
        live=sql.Identifier(LIVE, bucket.table),
        anew=sql.Identifier(NEXT, bucket.table),
        where=_where(bucket),
        live_cells=cells[0],
        next_cells=cells[1],
        live_shown=shown[0],
        next_shown=shown[1],
    )
    row = connection.execute(query).fetchone()
    return (0, ()) if row is None else (row[0], row[1:])


def _where(bucket: _Bucket) -> sql.Composable:
    bounds = [
        sql.SQL("{} {} {}").format(sql.Identifier(bucket.key), sql.SQL(sign), sql.Literal(bound))
        for sign, bound in ((">", bucket.after), ("<=", bucket.up_to))
        if bound is not None
    ]
    return sql.SQL("WHERE {}").format(sql.SQL(" AND ").join(bounds)) if bounds else sql.SQL("")


def _cells(bucket: _Bucket, set_name: str, alias: str, *, is_shown: bool) -> sql.Composable:
    """Return the cells of a row: as they are told, or as they are compared."""
    cells: list[sql.Composable] = []
    for name, kind in bucket.columns:
        column = sql.Identifier(alias, name)
        if is_shown or kind == "json":
            cells.append(sql.SQL("{}::text").format(column))
        elif name == "is_current":
            clock = sql.SQL("(SELECT clock_at FROM {} WHERE name = 'read_model')").format(
                sql.Identifier(set_name, "checkpoint")
            )
            since, until = sql.Identifier(alias, "valid_from"), sql.Identifier(alias, "valid_to")
            right = sql.SQL("{0} = ({1} <= {3} AND coalesce({2} > {3}, true))")
            cells.append(right.format(column, since, until, clock))
        else:
            cells.append(column)
    return sql.SQL(", ").join(cells)


def _first(bucket: _Bucket, row: tuple[Any, ...]) -> Difference:
    """Return what the first differing row of a bucket says: the first cell that is not the same."""
    key, live, anew = row
    if live is None or anew is None:
        there = "this row"
        return Difference(bucket.table, 0, key, bucket.key, there if live else None, there if anew else None)
    cells = zip(bucket.columns, live, anew, strict=True)
    unequal = ((name, old, new) for (name, _), old, new in cells if old != new)
    at = [name for name, _ in bucket.columns].index("is_current") if bucket.has_flag else 0
    name, old, new = next(unequal, ("is_current", live[at], anew[at]))
    return Difference(bucket.table, 0, key, name, old, new)
