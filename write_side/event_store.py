"""The event log as the command side sees it: load a stream, append a batch. The only module that appends."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING, Any
from uuid import UUID

import psycopg
import structlog
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from db import asking
from db.arrays import Packed, bytestrings, encoded_texts, instants, integers, intervals, smallints, texts, uuids
from db.coalescing import Coalescing
from db.pool import Connection, unavailable
from shared.core.codec import VERSION, LogRow, decode_stream, is_skipping, metadata_bytes, payload_bytes
from shared.core.errors import CannotFold, Unavailable
from shared.core.events import Recorded, Until, uid_of
from shared.core.upcasters import SCHEMA_VERSIONS
from write_side import ids
from write_side.appends import LATEST, Append, Executed, Verdict, span_of, stream_of

if TYPE_CHECKING:
    from collections.abc import Sequence

RESEND_SECONDS = 5.0
PAUSE_SECONDS = 0.1
CLOCK_IS_BEHIND = "CK001"
MOST_STREAMS = 25
"""How many streams are looked up in one go: all that their events say is in memory until they are folded."""

Part = tuple[str, int, int]
"""A stream, the version after which its events are wanted, and the one up to which."""
Head = tuple[UUID, int]
"""The id and the version of a stream's last event."""

log = structlog.get_logger()


class EventStore:
    """Reads streams and appends to the log, over a pool that acts as the writer."""

    does = "appended"
    """What it does with a batch, for the log line that says so."""

    def __init__(self, pool: AsyncConnectionPool[Connection]) -> None:
        self._pool = pool
        self._together = Coalescing(self._load, most_keys=MOST_STREAMS)

    async def load(self, stream: str, after: int = 0, up_to: int = LATEST) -> list[Recorded]:
        """Return the events of a stream with `after` < version <= `up_to`.

        Where one of them skips another, which may be an earlier one, all come that the stream has, from its first on.
        Raises CannotFold, Unavailable.
        """
        rows = await self.rows(stream, after, up_to)
        if after and any(map(is_skipping, rows)):
            rows = await self.rows(stream, 0, up_to)
        return list(islice(decode_stream(rows), sum(row[VERSION] <= up_to for row in rows)))

    async def rows(self, stream: str, after: int = 0, up_to: int = LATEST) -> list[LogRow]:
        """Return the same as the log has it, and whatever is skipped later on. Raises Unavailable."""
        return await self._together(None, (stream, after, up_to))

    async def rows_around(self, position: int) -> list[LogRow]:
        """Return the whole stream that has a position, none where the log ends before it. Raises Unavailable."""
        return await self._ask("write/load_stream_around", {"position": position})

    async def ask_to_retry(self, position: int) -> None:
        """Ask the projector to fold again what is parked there: it hears it, or it does not. Raises Unavailable."""
        await self._ask("write/notify_retry", {"position": position})

    async def load_many(self, streams: Sequence[str]) -> dict[str, list[Recorded]]:
        """Return all events of some streams, but for streams that cannot be read. Raises Unavailable."""
        found: dict[str, list[Recorded]] = {}
        for stream, rows in zip(streams, await self._load(None, [(one, 0, LATEST) for one in streams]), strict=True):
            with suppress(CannotFold):  # whoever needs this one is told so when it is loaded
                found[stream] = list(decode_stream(rows))
        return found

    async def _load(self, _: None, parts: Sequence[Part]) -> list[list[LogRow]]:
        """Return the rows of each part, in their order. Raises Unavailable."""
        streams, afters, up_tos = zip(*parts, strict=True)
        asked = {"streams": texts(streams), "afters": integers(afters), "up_tos": integers(up_tos)}
        found: list[list[LogRow]] = [[] for _ in parts]
        for row in await self._ask("write/load_streams", asked):
            found[row[-1] - 1].append(row[:-1])
        return found

    async def read_heads(self, streams: Sequence[str]) -> tuple[tuple[int, datetime] | None, dict[str, Head]]:
        """Return position and instant of the last event of the log, and the heads of those streams that have one."""
        rows = await self._ask("write/read_heads", {"streams": texts(streams)})
        heads = {stream: (event_id, version) for _, _, stream, event_id, version in rows if event_id is not None}
        return (rows[0][:2] if rows else None), heads

    async def find_executed(self, command_ids: Sequence[UUID], keys: Sequence[bytes]) -> dict[UUID | bytes, Executed]:
        """Return which commands were executed before, by command id, or by the key of a receipt. Raises Unavailable."""
        rows = await self._ask("write/find_executed", {"command_ids": uuids(command_ids), "keys": bytestrings(keys)})
        found: dict[UUID | bytes, Executed] = {}
        for command_id, key, stream, event_id, position, claimed_by, status in rows:
            uid = UUID(claimed_by) if claimed_by else uid_of(stream)
            if uid is not None:
                found[command_id or key] = Executed(uid, event_id, position, status)
        return found

    async def _ask(self, name: str, parameters: dict[str, Any]) -> list[LogRow]:
        return await asking.ask_one_of(self._pool, name, parameters)

    async def append(self, batch: Sequence[Append]) -> list[Verdict]:
        """Append a batch in one transaction and return the verdicts in its order.

        When the connection is lost the outcome is not known: the batch is sent again with the same ids, and what was
        appended comes back as duplicate. Raises Unavailable when the database stays away, when the lock cannot be had,
        and when the database's clock is behind the log.
        """
        parameters = _arrays(batch)
        give_up = asyncio.get_running_loop().time() + RESEND_SECONDS
        while True:
            try:
                connection = await self._pool.getconn()
                try:
                    rows = await asking.ask(connection, "write/append_events", parameters, prepare=True)
                finally:
                    await self._pool.putconn(connection)
                return [Verdict(*row) for row in rows]
            except (psycopg.OperationalError, PoolTimeout) as error:
                log.warning("append was interrupted", commands=len(batch), error=str(error))
                if asyncio.get_running_loop().time() > give_up:
                    raise unavailable(error) from error
                await asyncio.sleep(PAUSE_SECONDS)
            except psycopg.DatabaseError as error:
                if error.sqlstate == CLOCK_IS_BEHIND:
                    raise Unavailable(f"{error.diag.message_primary}.") from error
                raise


def _arrays(batch: Sequence[Append]) -> dict[str, Packed]:
    """Return the arguments of log.append_events: commands, expectations and events as columns."""
    numbers: dict[str, int] = {}

    def number(stream: str) -> int:
        return numbers.setdefault(stream, len(numbers) + 1)

    receipts = [item.receipt for item in batch]
    expected = [(n, number(stream), last) for n, item in enumerate(batch, 1) for stream, last in item.expectations]
    events = [(n, item, id_, event) for n, item in enumerate(batch, 1) for id_, event in item.events]
    spans = [span_of(item, event) for _, item, _, event in events]
    types = [type(event).__name__ for *_, event in events]
    metadatas = [metadata_bytes(item.metadata) for item in batch]
    salts = ids.salts(len(events))
    columns = {
        "command_ids": uuids([item.command_id for item in batch]),
        "command_streams": integers([number(item.stream) for item in batch]),
        "decided_untils": instants([item.decided_until for item in batch]),
        "receipt_keys": bytestrings([receipt.key if receipt else None for receipt in receipts]),
        "receipt_digests": bytestrings([receipt.digest if receipt else None for receipt in receipts]),
        "receipt_statuses": smallints([receipt.status if receipt else None for receipt in receipts]),
        "receipt_windows": intervals([receipt.window if receipt else None for receipt in receipts]),
        "expected_commands": integers([n for n, _, _ in expected]),
        "expected_streams": integers([stream for _, stream, _ in expected]),
        "expected_event_ids": uuids([last for _, _, last in expected]),
        "event_commands": integers([n for n, *_ in events]),
        "event_streams": integers([number(stream_of(item, event)) for _, item, _, event in events]),
        "event_ids": uuids([id_ for _, _, id_, _ in events]),
        "event_types": texts(types),
        "event_schema_versions": smallints([SCHEMA_VERSIONS[name] for name in types]),
        "event_effective_ats": instants([start for start, _ in spans]),
        "event_effective_untils": texts([_until(until) for _, until in spans]),
        "event_payloads": encoded_texts([payload_bytes(event, item.context) for _, item, _, event in events]),
        "event_salts": bytestrings(salts),
        "event_metadatas": encoded_texts([metadatas[n - 1] for n, *_ in events]),
    }
    return {"streams": texts(list(numbers)), **columns}


def _until(until: Until) -> str | None:
    """Return the bound as PostgreSQL reads it: Python has no instant for infinity."""
    return until.isoformat() if isinstance(until, datetime) else until
