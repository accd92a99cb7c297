"""A statement asked on a connection in few steps: a cursor of psycopg's takes more of the processor than its rows.

Each connection prepares a statement once, and finds out once how its columns are read. Beyond that it is psycopg's own
means: how values go out and come in, what an error is. Only for statements that give rows, on connections that commit
by themselves, and only by whoever has the connection for itself.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache
from time import monotonic
from typing import Any

from msgspec import Struct
from psycopg import abc
from psycopg.adapt import PyFormat, Transformer
from psycopg.errors import InvalidSqlStatementName, error_from_result
from psycopg.pq import ExecStatus, Format
from psycopg.pq.abc import PGconn, PGresult
from psycopg_pool import AsyncConnectionPool

from db.arrays import Packed
from db.pool import Connection, NoAnswer, once_more, patience
from db.queries import statement
from db.watching import come

Row = tuple[Any, ...]
Results = list[PGresult]

PARAMETER = re.compile(r"%\((\w+)\)[sb]")
FAILED = ExecStatus.FATAL_ERROR
PLANNED_SECONDS = 60.0
"""After which a statement is prepared anew.

PostgreSQL keeps a plan where that costs no more than its first plans did. In a database that has grown since it does,
so that hundreds of calls are planned one by one before one is kept again.
"""
KNOWN = "_cockpit_asking"
"""Where a connection keeps what is known of its statements."""


class Known(Struct):
    """How one connection sends the values of a statement and reads its rows, and for how many seconds it waits."""

    transformer: abc.Transformer
    patience: float
    is_prepared: bool = False
    prepared_at: float = 0.0
    reads: bool = False

    @property
    def is_of_use(self) -> bool:
        """Whether it is prepared, and was not too long ago."""
        return self.is_prepared and monotonic() - self.prepared_at <= PLANNED_SECONDS

    def note(self, *, is_prepared: bool) -> None:
        """Take note of whether it was prepared just now."""
        self.is_prepared, self.prepared_at, self.reads = is_prepared, monotonic(), False

    def dump(self, params: Mapping[str, Any], names: Sequence[str]) -> Sequence[abc.Buffer | None]:
        """Return the values of these parameters as they go out."""
        given = [params[parameter] for parameter in names]
        formats = [PyFormat.BINARY if isinstance(value, Packed) else PyFormat.TEXT for value in given]
        return self.transformer.dump_sequence(given, formats)

    def load(self, result: PGresult, *, prepared: bool) -> list[Row]:
        """Return the rows of an answer.

        Of what is prepared the server refuses another kind of rows than the first time; of anything else it does not.
        """
        self.transformer.set_pgresult(result, set_loaders=not (prepared and self.reads))
        self.reads = prepared
        rows = self.transformer.load_rows(0, result.ntuples, tuple)
        self.transformer.set_pgresult(None, set_loaders=False)  # else it would be kept until the next answer
        return rows


def known_of(connection: Connection, name: str) -> Known:
    """Return what is known of a statement on a connection, there as long as the connection is."""
    of_connection: dict[str, Known] = vars(connection).setdefault(KNOWN, {})
    known = of_connection.get(name)
    if known is None:
        known = of_connection[name] = Known(Transformer(connection), patience(connection))
    return known


async def ask_one_of(
    pool: AsyncConnectionPool[Connection], name: str, params: Mapping[str, Any], *, prepare: bool = True
) -> list[Row]:
    """Return the rows that a statement finds on a connection of a pool; it must change nothing: see `once_more`.

    Raises Unavailable when the database does not answer.
    """

    async def once() -> list[Row]:
        connection = await pool.getconn()
        try:
            return await ask(connection, name, params, prepare=prepare)
        finally:
            await pool.putconn(connection)

    return await once_more(once)


async def ask(connection: Connection, name: str, params: Mapping[str, Any], *, prepare: bool) -> list[Row]:
    """Return the rows that a statement finds; where it is not prepared, it is planned for these values.

    Raises what psycopg does, and NoAnswer. That, and whoever is cancelled, leaves behind a connection that is closed.
    """
    try:
        return await _ask(connection, name, params, prepare=prepare)
    except InvalidSqlStatementName:  # psycopg forgets what is prepared on a connection, when it likes
        vars(connection)[KNOWN].pop(name, None)
        return await _ask(connection, name, params, prepare=prepare)


async def _ask(connection: Connection, name: str, params: Mapping[str, Any], *, prepare: bool) -> list[Row]:
    known, pgconn = known_of(connection, name), connection.pgconn
    text, names = numbered(name)
    values, formats = known.dump(params, names), known.transformer.formats
    if not prepare:
        pgconn.send_query_params(text, values, None, formats, Format.BINARY)
    else:
        if not known.is_of_use:
            pgconn.send_close_prepared(name.encode())  # no error where it is not known
            _check(await _results(pgconn, known.patience))
            pgconn.send_prepare(name.encode(), text)
            _check(await _results(pgconn, known.patience))
            known.note(is_prepared=True)
        pgconn.send_query_prepared(name.encode(), values, formats, Format.BINARY)
    return known.load(_check(await _results(pgconn, known.patience)), prepared=prepare)


@cache
def numbered(name: str) -> tuple[bytes, Sequence[str]]:
    """Return a statement as the server takes it, with $1 for the first of these parameters, and so on."""
    text = statement(name)
    names = list(dict.fromkeys(PARAMETER.findall(text)))
    numbered = PARAMETER.sub(lambda match: f"${names.index(match[1]) + 1}", text)
    return numbered.replace("%%", "%").encode(), names


async def _results(pgconn: PGconn, seconds: float) -> Results:
    """Return what the server answers, once all of it is there. Raises NoAnswer after so many seconds."""
    results = Results()
    give_up = monotonic() + seconds

    def are_there() -> bool:
        while not pgconn.is_busy():
            result = pgconn.get_result()
            if result is None:
                return True
            results.append(result)
        if monotonic() > give_up:
            raise NoAnswer(f"No answer came within {seconds} s.")
        return False

    try:
        await come(pgconn, are_there)
    except BaseException:
        pgconn.finish()
        raise
    return results


def _check(results: Results) -> PGresult:
    """Return the last result. Raises the error that it is."""
    result = results[-1]
    if result.status == FAILED:
        raise error_from_result(result)
    return result
