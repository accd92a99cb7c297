"""Sets of tables: what the owner's functions do with them, for a projector that may not do it itself."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, LiteralString

import psycopg
from msgspec import Struct
from psycopg import sql

from db.queries import statement
from projector.contents import contents
from projector.rows import Writes
from shared.core.errors import CockpitError

if TYPE_CHECKING:
    from psycopg import Connection

LIVE, NEXT, PREVIOUS = "read_model", "read_model_next", "read_model_previous"
REFUSED, NOT_AS_FAR, OTHER_SCHEMA = "CK004", "CK005", "CK006"
"""What the functions raise."""
SWITCH_LOCK = "100ms"
NEEDED = [(of.table, column) for of in contents(Writes(), datetime.max.replace(tzinfo=UTC)) for column in of.columns]
NEEDED += [("checkpoint", "position")]
"""The columns without which a set is of no use, each beside its table."""


class CannotMakeSet(CockpitError):
    """{reason}"""  # noqa: D415  # the message is the reason itself

    def __init__(self, reason: str) -> None:
        self.reason = reason


class NotKept(CockpitError):
    """There is no set of tables to go back to."""


class Checkpoint(Struct, frozen=True):
    """Where a set stands: its position, the instant is_current is exact at, up to when all is known, its generation."""

    position: int
    recorded_at: datetime | None
    clock_at: datetime | None
    settled_at: datetime | None
    generation: int


class Planned(Struct, frozen=True):
    """An object that a new set still lacks."""

    ordinal: int
    kind: str
    name: str


class Sets:
    """The sets of a database, by way of a connection in autocommit mode."""

    def __init__(self, connection: Connection[Any]) -> None:
        self._connection = connection

    def live(self) -> Checkpoint | None:
        """Return where the live set stands.

        None where it is of no use: a column is missing, or the checkpoint, or that is beyond the end of the log.
        """
        tables, columns = zip(*NEEDED, strict=True)
        parameters = {"tables": [f"{LIVE}.{table}" for table in tables], "columns": list(columns)}
        missing = self._connection.execute(statement("projector/find_missing_column"), parameters).fetchone()
        found = self.checkpoint(LIVE) if missing is None else None
        return found if found is not None and found.position <= self.head() else None

    def head(self) -> int:
        """Return the last position of the log."""
        row = self._connection.execute(statement("projector/read_head")).fetchone()
        return int(row[0]) if row else 0

    def checkpoint(self, name: str) -> Checkpoint | None:
        """Return where a set stands, None where there is none, or it has no checkpoint."""
        query = sql.SQL(
            "SELECT position, nullif(recorded_at, '-infinity'), nullif(clock_at, '-infinity'),"
            " nullif(settled_at, '-infinity'), generation FROM {} WHERE name = 'read_model'"
        )
        try:
            row = self._connection.execute(query.format(sql.Identifier(name, "checkpoint"))).fetchone()
        except psycopg.errors.UndefinedTable:
            return None
        return None if row is None else Checkpoint(*row)

    def begin(self) -> list[Planned]:
        """Make bare tables, what was left of an earlier attempt dropped first; return what they get once they are full.

        Raises CannotMakeSet.
        """
        self._call("SELECT projection.begin_set()")
        rows = self._connection.execute(statement("projector/list_planned")).fetchall()
        return [Planned(*row) for row in rows]

    def build(self, planned: Planned) -> None:
        """Make one object of the new set."""
        self._call("SELECT projection.build(%s)", planned.ordinal)

    def drop(self, name: str) -> None:
        """Drop a set, if it is there. Raises CannotMakeSet where something of somebody's hangs on it."""
        self._call("SELECT projection.drop_set(%s)", name)

    def switch(self, name: str) -> None:
        """Let a set as far as the live one be the live one, in the caller's transaction. Raises CannotMakeSet.

        A new one takes the place of the set before, which goes in the same moment: till then there is a way back. Who
        still reads that is not waited for, since the projector stands still.
        """
        if name == NEXT:
            self._call("SELECT set_config('lock_timeout', %s, true)", SWITCH_LOCK)
            self.drop(PREVIOUS)
        self._call("SELECT projection.switch(%s)", name)

    def revive(self) -> None:
        """Let the set that is kept be folded on. Raises CannotMakeSet where a migration has been applied since."""
        if self._connection.execute(statement("projector/revive_previous")).rowcount != 1:
            raise CannotMakeSet("A migration has been applied since the set before was live: rebuild instead.")

    @contextmanager
    def held(self) -> Iterator[Checkpoint | None]:
        """Hold the live set still for the length of the block, a transaction: the projector waits with its next batch.

        Gives where it stands, None where it has no checkpoint.
        """
        with self._connection.transaction():
            row = None
            if self.live() is not None:
                row = self._connection.execute(statement("projector/hold_checkpoint")).fetchone()
            yield None if row is None else Checkpoint(*row)

    def _call(self, query: LiteralString, *parameters: object) -> None:
        try:
            self._connection.execute(query, parameters)
        except psycopg.DatabaseError as error:
            if error.sqlstate in {REFUSED, OTHER_SCHEMA}:
                message = error.diag.message_primary or str(error)
                raise CannotMakeSet(f"{message[:1].upper()}{message[1:]}.") from error
            raise
