"""Asking for a rebuild: the wish is written down, and the projector that leads sees to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal
from uuid import UUID

import psycopg
from psycopg_pool import PoolTimeout

from db.pool import unavailable
from db.queries import statement
from shared.core.errors import UnderWay, invalid
from shared.core.events import entity_stream
from shared.http.shapes import RunOut, run_out

if TYPE_CHECKING:
    from psycopg_pool import AsyncConnectionPool

    from db.pool import Connection


Wish = Literal["rebuild", "check", "entity"]


class Rebuilds:
    """Takes wishes, over a pool that acts as the writer."""

    def __init__(self, pool: AsyncConnectionPool[Connection]) -> None:
        self._pool = pool

    async def ask(self, kind: Wish, entity_uid: UUID | None, user: str) -> RunOut:
        """Ask for one run. Raises UnderWay where another is not finished, Invalid for no such entity, Unavailable."""
        stream = None if entity_uid is None else entity_stream(entity_uid)
        parameters: dict[str, Any] = {"kind": kind, "entity_uid": entity_uid, "stream": stream, "requested_by": user}
        try:
            async with self._pool.connection() as connection, connection.cursor(binary=True) as cursor:
                await cursor.execute(statement("write/ask_for_rebuild"), parameters)
                row = await cursor.fetchone()
        except psycopg.errors.UniqueViolation as error:
            raise UnderWay from error
        except (psycopg.OperationalError, PoolTimeout) as error:
            raise unavailable(error) from error
        if row is None:
            raise invalid("entity_uid", "The log has no such entity.", "not_found")
        return run_out(*row)
