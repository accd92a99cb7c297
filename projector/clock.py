"""What time alone changes: which rows are current, and up to when it is known what was recorded."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import psycopg
from msgspec import Struct
from msgspec.structs import replace

from db.queries import statement

if TYPE_CHECKING:
    from collections.abc import Sequence

    from db.pipeline import Asked, Pipeline
    from db.pool import Connection


class Outlook(Struct, frozen=True):
    """When a row next begins or ceases to be current, in how many seconds; whether settled_at is of some time ago."""

    due_at: datetime | None
    seconds: float | None
    is_unsettled: bool

    def after(self, seconds: float) -> Outlook:
        """Return the same so many seconds later."""
        return self if self.seconds is None else replace(self, seconds=self.seconds - seconds)


async def look_ahead(connection: Connection) -> Outlook:
    """Return what is to come, as the database's clock has it."""
    cursor = await connection.execute(statement("projector/read_outlook"), prepare=True)
    row = await cursor.fetchone()
    return Outlook(None, None, is_unsettled=False) if row is None else Outlook(*row)


def flip_current(sending: Pipeline, after: datetime) -> list[Asked]:
    """Bring is_current from one instant to the clock of the checkpoint, in the caller's transaction.

    Rows are cleared before others are set: only one row of a group may be current at a time. Returns what
    `count_flipped` counts, once it is there.
    """
    return [sending.ask(name, {"after": after}) for name in ("projector/clear_current", "projector/set_current")]


def count_flipped(flips: Sequence[Asked]) -> int:
    """Return how many rows became current, or ceased to be."""
    return sum(row[0] for asked in flips for row in asked.rows)


async def settled(connection: Connection, position: int) -> datetime | None:
    """Return up to when it is certain that nothing is recorded after this position; None where that cannot be said now.

    The append lock is held while the clock and the end of the log are read, and not while anything is written.
    """
    try:
        cursor = await connection.execute(statement("projector/read_settled"), {"position": position}, prepare=True)
        row = await cursor.fetchone()
    except psycopg.errors.LockNotAvailable:  # an append takes its time: what it records is not known yet
        return None
    instant: datetime | None = row[0] if row else None
    return instant
