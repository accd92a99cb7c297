"""Runs that were asked for over HTTP: the projector that leads has each done by a process of its own.

So to fold the whole log takes nothing from those who fold what is new. A process that ends before its run does has it
begun again, by whoever leads then. What is asked for is heard by the worker: PostgreSQL wakes every connection that
listens at every notification, whatever its channel, so that a connection which listens for runs alone would be woken
twice by every event. The one kept here asks, and does not listen.
"""

from __future__ import annotations

import asyncio
import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

import psycopg
import structlog

from db.asking import ask
from db.queries import statement
from projector.runs import DSN_VARIABLE, LOCK, MOST_ATTEMPTS, own

if TYPE_CHECKING:
    from db.pool import Connection

RETRY_SECONDS = 1.0

log = structlog.get_logger()


class Requested:
    """Sees to runs, one at a time, for as long as it runs: when `asked` is set, and at every poll."""

    def __init__(self, conninfo: str, poll_seconds: float, asked: asyncio.Event) -> None:
        self._conninfo = conninfo
        self._poll_seconds = poll_seconds
        self._asked = asked

    async def run(self) -> None:
        """See to what is asked for, until cancelled; faults of the database are waited out."""
        while True:
            try:
                async with await psycopg.AsyncConnection.connect(own(self._conninfo), autocommit=True) as connection:
                    while True:
                        self._asked.clear()
                        await self._look(connection)
                        await self._wait()
            except (psycopg.Error, OSError) as error:
                log.warning("requested rebuilds are not looked after", error=repr(error), retry_in=RETRY_SECONDS)
                await asyncio.sleep(RETRY_SECONDS)

    async def _wait(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(self._poll_seconds):
                await self._asked.wait()

    async def _look(self, connection: Connection) -> None:
        """Begin what is asked for, and what was begun and left; give up what cannot be begun again."""
        found = await ask(connection, "projector/find_left_run", {}, prepare=False)
        if not found or not await self._is_left(connection):
            return
        run_id, by_request, attempts = found[0]
        if by_request and attempts < MOST_ATTEMPTS:
            await self._do(run_id)
        else:
            await connection.execute(statement("projector/fail_left_run"), {"id": run_id})

    async def _is_left(self, connection: Connection) -> bool:
        """Say whether no process does a run now."""
        cursor = await connection.execute("SELECT pg_try_advisory_lock(%s, %s)", LOCK)
        if await cursor.fetchone() != (True,):
            return False
        await connection.execute("SELECT pg_advisory_unlock(%s, %s)", LOCK)
        return True

    async def _do(self, run_id: int) -> None:
        environment = {**os.environ, DSN_VARIABLE: self._conninfo}
        log.info("rebuild begins", run=run_id)
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "projector.perform", str(run_id)), stdin=asyncio.subprocess.PIPE, env=environment
        )
        try:
            code = await process.wait()
        except asyncio.CancelledError:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
            raise
        log.info("rebuild ended", run=run_id, exit_code=code)
