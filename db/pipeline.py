"""Statements that go out together and are answered in their order, one round trip for all of them.

psycopg's pipeline sends each by itself, and takes more of the processor than all else about a small batch.
Of a large one psycopg 3.3 does not look whether all of it went out: it waits for the answers, for good. How values go
out and come in is psycopg's here too, as in db/asking.py, with which it shares what is prepared.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Self

import psycopg
from psycopg.errors import error_from_result
from psycopg.pq import ExecStatus, Format

from db.asking import Known, Row, known_of, numbered
from db.watching import come

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from types import TracebackType

    from psycopg.pq.abc import PGresult

    from db.pool import Connection


class Asked:
    """A statement that was sent; its rows, once it was answered."""

    def __init__(self, known: Known | None = None, *, prepares: bool = False) -> None:
        self._known = known
        self._prepares = prepares
        self.is_answered = False
        self.error: psycopg.Error | None = None
        self.rows: list[Row] = []
        self.columns: list[str] = []

    def named(self) -> Iterator[dict[str, Any]]:
        """Yield each row by the names of its columns."""
        for row in self.rows:
            yield dict(zip(self.columns, row, strict=True))

    def take(self, result: PGresult) -> None:
        """Take the answer, or what is wrong with it, if it is that which is, and not a statement before it."""
        self.is_answered = True
        known, status = self._known, result.status
        if known is not None and self._prepares:
            known.note(is_prepared=status == ExecStatus.COMMAND_OK)
        elif known is not None and status == ExecStatus.TUPLES_OK:
            self.rows = known.load(result, prepared=True)
            self.columns = [name.decode() for n in range(result.nfields) if (name := result.fname(n))]
        if status == ExecStatus.FATAL_ERROR:
            self.error = error_from_result(result)


class Pipeline:
    """A pipeline on a connection, for whoever has that for itself: `async with` it, and its end waits for all answers.

    What fails is raised by whatever waits next; the server passes over all that was sent behind it.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._pgconn = connection.pgconn
        self._due: deque[Asked] = deque()
        self._error: psycopg.Error | None = None

    async def __aenter__(self) -> Self:
        """Begin."""
        self._pgconn.enter_pipeline_mode()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Wait for all answers. A connection that cannot be brought to its end is closed."""
        try:
            self._pgconn.pipeline_sync()
            self._due.append(Asked())
            await self._until(lambda: not self._due)
            self._pgconn.exit_pipeline_mode()
        except BaseException:
            self._pgconn.finish()
            raise
        if error is None and self._error is not None:
            raise self._error

    def say(self, command: bytes) -> None:
        """Send a statement that has no parameters and no file."""
        self._pgconn.send_query_params(command, None)
        self._due.append(Asked())

    def ask(self, name: str, params: Mapping[str, Any]) -> Asked:
        """Send a statement, prepared.

        Where it is not of use any more, or to prepare it was passed over last time, the server may still know it.
        """
        known = known_of(self._connection, name)
        text, names = numbered(name)
        if not known.is_of_use:
            self._pgconn.send_close_prepared(name.encode())
            self._due.append(Asked())
            self._pgconn.send_prepare(name.encode(), text)
            self._due.append(Asked(known, prepares=True))
            known.note(is_prepared=True)
        values = known.dump(params, names)
        self._pgconn.send_query_prepared(name.encode(), values, known.transformer.formats, Format.BINARY)
        asked = Asked(known)
        self._due.append(asked)
        return asked

    def hurry(self) -> None:
        """Have what was sent so far answered while what comes behind it is worked on."""
        self._pgconn.send_flush_request()

    async def answered(self, *asked: Asked) -> None:
        """Wait until these are answered. Raises what psycopg does for any that failed before."""
        self.hurry()
        await self._until(lambda: self._error is not None or all(one.is_answered for one in asked))
        if self._error is not None:
            raise self._error

    async def _until(self, is_so: Callable[[], bool]) -> None:
        """Take answers until that is so."""

        def is_there() -> bool:
            while self._due and not self._pgconn.is_busy():
                result = self._pgconn.get_result()
                if result is not None:
                    asked = self._due.popleft()
                    asked.take(result)
                    self._error = self._error or asked.error
            return is_so()

        if not is_so():
            await come(self._pgconn, is_there)
