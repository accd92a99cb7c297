"""One stream anew: its rows are thrown away and made again from its first event on, while a projector goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from msgspec import Struct

from db.queries import statement
from projector.replay import fold_stream
from projector.rows import Writes
from shared.core.events import entity_stream

if TYPE_CHECKING:
    from db.pool import Connection


class Refolded(Struct, frozen=True):
    """What came of it: up to which position, how many events and rows the stream has, what is parked, with why.

    The rows of the types and of external keys are not counted.
    """

    position: int
    events: int
    rows: int
    parked: list[tuple[int, str]]


async def refold(connection: Connection, entity_uid: UUID) -> Refolded | None:
    """Make the rows of an entity anew; None where the log has no such entity."""
    return await refold_stream(connection, entity_stream(entity_uid))


async def refold_stream(connection: Connection, stream: str) -> Refolded | None:
    """Make the rows of a stream anew, in one transaction behind the fence; None where the log has no such stream.

    The checkpoint is locked first and its generation moves: the projector that leads finds that out by its own fence,
    and begins anew with what is there.
    """
    async with connection.transaction():
        cursor = await connection.execute(statement("projector/move_generation"))
        found = await cursor.fetchone()
        if found is None:
            return None
        (position,) = found
        events = connection.cursor(binary=True)
        await events.execute(statement("projector/read_streams"), {"streams": [stream], "up_to": position})
        rows = await events.fetchall()
        writes = Writes()
        writes.forget(stream)
        fold_stream(stream, rows, writes)
        await writes.apply(connection)
        await connection.execute(statement("projector/notify_projected"), {"position": position})
    if not rows:
        return None
    parked = [(parked.position, parked.reason) for parked in writes.parked]
    return Refolded(position, len(rows), len(writes.opened) + len(writes.superseded), parked)
