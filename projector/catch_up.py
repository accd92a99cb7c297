"""Fold what the log has and the read model has not, once: for who needs the tables and runs no projector."""

from __future__ import annotations

import psycopg

from projector.batch import Projection

BATCH_EVENTS = 2000


async def catch_up(conninfo: str) -> int:
    """Return the position reached, the log's head. Raises Fenced where a projector runs as well."""
    async with await psycopg.AsyncConnection.connect(conninfo, autocommit=True) as connection:
        projection = await Projection.open(connection)
        while await projection.advance(BATCH_EVENTS):
            pass
        return projection.position
