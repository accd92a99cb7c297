"""psycopg's pipeline, with nothing left unsent: what it sends may be larger than what a socket holds.

psycopg 3.3 waits for the answers of a pipeline without looking whether all of the questions went out. The rest of a
large one then stays in libpq's buffer, the server waits for it, and nobody ever goes on.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

import psycopg

if TYPE_CHECKING:
    from psycopg import AsyncPipeline

    from db.pool import Connection

LOOK_SECONDS = 0.002


@asynccontextmanager
async def pipeline(connection: Connection) -> AsyncIterator[AsyncPipeline]:
    """Give a pipeline on a connection; what is left to be sent goes out as soon as the server takes it."""
    sending = asyncio.create_task(_send_rest(connection), name="pipeline-rest")
    try:
        async with connection.pipeline() as found:
            yield found
    finally:
        sending.cancel()


async def _send_rest(connection: Connection) -> None:
    with suppress(psycopg.Error):  # who waits for the answers is told
        while not connection.closed:
            connection.pgconn.flush()
            await asyncio.sleep(LOOK_SECONDS)
