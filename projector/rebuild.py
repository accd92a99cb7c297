"""Empty the read model and fold the whole log again, while no projector runs."""

from __future__ import annotations

from collections.abc import Callable

import psycopg

from db.queries import statement
from projector.batch import Projection
from projector.worker import LEADER_LOCK
from shared.core.errors import CockpitError

BATCH_EVENTS = 2000


class ProjectorRunning(CockpitError):
    """A projector is running: stop the service first, or leave out --offline."""


async def rebuild_offline(conninfo: str, progress: Callable[[int], None]) -> int:
    """Return the position reached; `progress` hears of every batch. Raises ProjectorRunning.

    The tables are emptied in one transaction with the checkpoint: ended at any moment, the next projector goes on.
    """
    async with await psycopg.AsyncConnection.connect(conninfo, autocommit=True) as connection:
        cursor = await connection.execute("SELECT pg_try_advisory_lock(%s, %s)", LEADER_LOCK)
        if await cursor.fetchone() != (True,):
            raise ProjectorRunning
        async with connection.transaction():
            await connection.execute(statement("projector/empty_tables"))
            await connection.execute(statement("projector/reset_checkpoint"))
        projection = await Projection.open(connection)
        while batch := await projection.advance(BATCH_EVENTS):
            progress(batch.position)
        return projection.position
