"""The loop: be the leader, fold what is there, listen for more; a poll stands behind every wait."""

from __future__ import annotations

import asyncio
import re
from contextlib import suppress
from time import perf_counter
from typing import TYPE_CHECKING

import psycopg
import structlog

from db.listening import heard
from db.pipeline import Pipeline
from db.queries import statement
from projector.batch import Fenced, Projection
from projector.refold import refold_stream
from projector.requested import Requested
from projector.runs import CHANNEL as RUN_CHANNEL
from shared.core.errors import CockpitError

if TYPE_CHECKING:
    from db.pool import Connection

CHANNEL = "cockpit_event"
SETTLE_CHANNEL = "cockpit_settle"
"""Where a reader asks for settled_at to be brought up to now."""
RETRY_CHANNEL = "cockpit_retry"
"""Where the write side asks to fold again what is parked at a position; who asks looks whether it still is."""
POSITION = "[0-9]{1,18}"
LEADER_LOCK = (4011, 3)
LEADER_POLL_SECONDS = 1.0
BACKOFF_SECONDS = (0.1, 0.5, 1.0, 2.0, 5.0)
FENCED_SECONDS = 0.1
"""How long a projector stands still before it begins anew: a read that meets two sets of tables finds them equal."""
PROOF_SECONDS = 2.0
PACE_SECONDS = 0.005
"""How long after the start of a batch of several events the next one starts: where many are written, they go together.

A batch costs as much as several of its events. Who waits for a single event does not wait for this.
"""
LISTEN_SECONDS = 1.0
"""How long to listen before the connection is looked at anew: its end may be told once, before all of it is read."""
UNSETTLED_SECONDS = 0.1
"""How long to wait before settling is tried again where somebody was appending."""

log = structlog.get_logger()


class NotDirectError(CockpitError):
    """The projector's connection is pooled by transaction: LISTEN needs a direct one."""


class Wake(asyncio.Event):
    """Set by every notification; remembers whether one asked to settle, and which positions are to be retried.

    Word of a run sets `run` alone: it is nothing to those who fold.
    """

    def __init__(self) -> None:
        super().__init__()
        self.run = asyncio.Event()
        self.settle = False
        self.retries: set[int] = set()


class Worker:
    """Keeps the read model behind the log by as little as it can, for as long as it runs."""

    def __init__(self, conninfo: str, *, poll_seconds: float, batch_events: int) -> None:
        self._conninfo = conninfo
        self._poll_seconds = poll_seconds
        self._batch_events = batch_events
        self._stopping = asyncio.Event()
        self._wake = Wake()
        self._failures = 0
        self._next_at = 0.0

    def stop(self) -> None:
        """Let the loop end after the batch it is in."""
        self._stopping.set()
        self._wake.set()

    async def run(self) -> None:
        """Lead whenever nobody else does, until stopped; faults of the database are waited out."""
        while not self._stopping.is_set():
            try:
                async with await self._connect() as listening, await self._connect() as working:
                    await _prove_direct(listening)
                    if await self._become_leader(listening):
                        await self._lead(listening, working)
            except NotDirectError:
                raise
            except Exception as error:  # a fault of ours too: the log goes on growing, and a later release may fold it
                seconds = BACKOFF_SECONDS[min(self._failures, len(BACKOFF_SECONDS) - 1)]
                self._failures += 1
                fault = None if isinstance(error, psycopg.Error | Fenced) else error
                log.warning("projector interrupted", error=repr(error), retry_in=seconds, exc_info=fault)
                await self._pause(seconds)

    async def _connect(self) -> Connection:
        return await psycopg.AsyncConnection.connect(self._conninfo, autocommit=True)

    async def _become_leader(self, connection: Connection) -> bool:
        """Wait, polling, until no other projector leads; False when stopped meanwhile."""
        while not self._stopping.is_set():
            cursor = await connection.execute("SELECT pg_try_advisory_lock(%s, %s)", LEADER_LOCK)
            row = await cursor.fetchone()
            if row is not None and row[0]:
                log.info("projector leads")
                return True
            await self._pause(LEADER_POLL_SECONDS)
        return False

    async def _lead(self, listening: Connection, working: Connection) -> None:
        """Fold batch after batch. The wake flag is cleared before a read, so that no event slips between the two."""
        wake = self._wake = Wake()
        listener = asyncio.create_task(_listen(listening, wake), name="projector-listener")
        seeing_to_runs = Requested(self._conninfo, self._poll_seconds, wake.run).run()
        requested = asyncio.create_task(seeing_to_runs, name="projector-requested")
        try:
            projection = await Projection.open(working)
            while not self._stopping.is_set():
                wake.clear()
                try:
                    if await _retry(working, wake):
                        projection = await Projection.open(working)
                    while await self._advance(projection) and not self._stopping.is_set():
                        pass
                    seconds = await self._pass_time(projection, wake)
                except Fenced:  # rows were changed beside the fold, or another set of tables has taken over
                    log.info("projector begins anew", position=projection.position)
                    await self._pause(FENCED_SECONDS)
                    projection = await Projection.open(working)
                    continue
                self._failures = 0
                await self._wait(listener, seconds)
        finally:
            listener.cancel()
            requested.cancel()
            await asyncio.gather(listener, requested, return_exceptions=True)

    async def _advance(self, projection: Projection) -> bool:
        """Fold one batch and log it; say whether there may be more, of which no notification is to come."""
        started = perf_counter()
        batch = await projection.advance(self._batch_events)
        if batch is None:
            return False
        self._next_at = started + PACE_SECONDS if batch.events > 1 else 0
        _tell_flipped(batch.flipped)
        log.info(
            "projected",
            position=batch.position,
            events=batch.events,
            parked=batch.parked,
            ms=round((perf_counter() - started) * 1000, 2),
        )
        return batch.events >= self._batch_events

    async def _pass_time(self, projection: Projection, wake: Wake) -> float:
        """Let what fell due become current, settle where it is time, and return how long nothing has to be done."""
        outlook = await projection.look_ahead(self._poll_seconds)
        if outlook.seconds is not None and outlook.seconds <= 0:
            _tell_flipped(await projection.fall_due())
            outlook = await projection.look_ahead()
        rest = min(self._poll_seconds, max(outlook.seconds, 0) if outlook.seconds is not None else self._poll_seconds)
        if wake.settle or outlook.is_unsettled:
            asked, wake.settle = wake.settle, False
            if not await projection.settle():
                wake.settle |= asked
                rest = min(rest, UNSETTLED_SECONDS)
        return rest

    async def _wait(self, listener: asyncio.Task[None], seconds: float) -> None:
        """Wait for a notification, so many seconds, or the order to stop. Raises what ended the listener."""
        if not listener.done():
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._wake.wait()
        if listener.done():
            listener.result()
        rest = self._next_at - perf_counter()
        if rest > 0:
            await asyncio.sleep(rest)

    async def _pause(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
        except TimeoutError:
            pass


def _tell_flipped(rows: int) -> None:
    if rows:
        log.info("became effective", count=rows)


async def _retry(working: Connection, wake: Wake) -> bool:
    """Fold the streams anew of which parked events are to be retried; say whether there was any."""
    streams: set[str] = set()
    while wake.retries:
        parameters = {"position": wake.retries.pop()}
        cursor = await working.execute(statement("projector/find_parked_stream"), parameters)
        streams |= {stream for (stream,) in await cursor.fetchall()}
    for stream in sorted(streams):
        found = await refold_stream(working, stream)
        log.info("retried", stream=stream, still_parked=len(found.parked) if found else 0)
    return bool(streams)


async def _listen(connection: Connection, wake: Wake) -> None:
    """Set the flag at every notification, and when the connection ends. Raises OperationalError then."""
    try:
        async with Pipeline(connection) as sending:  # psycopg's way would take what is said meanwhile
            for channel in (CHANNEL, SETTLE_CHANNEL, RETRY_CHANNEL, RUN_CHANNEL):
                sending.say(f"LISTEN {channel}".encode())
        wake.set()
        wake.run.set()
        while True:
            for notify in await heard(connection, LISTEN_SECONDS):
                if notify.channel == RUN_CHANNEL:
                    wake.run.set()
                    continue
                wake.settle |= notify.channel == SETTLE_CHANNEL
                if notify.channel == RETRY_CHANNEL and re.fullmatch(POSITION, notify.payload):
                    wake.retries.add(int(notify.payload))
                wake.set()
    finally:
        wake.set()


async def _prove_direct(connection: Connection) -> None:
    """Raise NotDirectError unless a notification that this connection sends to itself arrives."""
    cursor = await connection.execute("SELECT pg_backend_pid()")
    row = await cursor.fetchone()
    channel = f"cockpit_proof_{row[0] if row else 0}"
    await connection.execute(f"LISTEN {channel}")
    await connection.execute("SELECT pg_notify(%s, '')", [channel])
    arrived = [notify async for notify in connection.notifies(timeout=PROOF_SECONDS, stop_after=1)]
    if not arrived:
        raise NotDirectError
    await connection.execute(f"UNLISTEN {channel}")
