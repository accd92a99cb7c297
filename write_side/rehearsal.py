"""The log with what a rehearsal would append laid over it: commands are decided as ever, and nothing is appended."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, closing
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from uuid import UUID

import msgspec

from shared.core.codec import decode, encode_metadata, encode_payload
from shared.core.events import INFINITY
from shared.core.upcasters import SCHEMA_VERSIONS
from write_side.appends import LATEST, MICROSECOND, Append, Verdict, as_recorded, stream_of
from write_side.batcher import Batcher
from write_side.event_store import EventStore
from write_side.handler import Handler

if TYPE_CHECKING:
    from psycopg_pool import AsyncConnectionPool

    from db.pool import Connection
    from shared.core.events import Recorded
    from write_side.admission import Admission
    from write_side.event_store import Head

SCHEMA = "CREATE TABLE event (stream TEXT, version INTEGER, row BLOB, PRIMARY KEY (stream, version)) WITHOUT ROWID"
INSERT = "INSERT INTO event VALUES (?, ?, ?)"
SELECT = "SELECT row FROM event WHERE stream = ? AND version > ? AND version <= ? ORDER BY version"
LAST = "SELECT row FROM event WHERE stream = ? ORDER BY version DESC LIMIT 1"
NOTHING = (None, 0)

Row = tuple[int, UUID, str, int, str, int, datetime, datetime | None, bool, datetime, str, str]
"""An event as the log's rows have it: what `decode` takes."""

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Row).decode


@asynccontextmanager
async def rehearsal(
    pool: AsyncConnectionPool[Connection], admission: Admission, clock: Callable[[], datetime], batch_commands: int
) -> AsyncIterator[Handler]:
    """Yield a handler that executes commands upon the log as it is, each after those before it, and changes nothing."""
    with closing(sqlite3.connect("", isolation_level=None)) as overlay:
        overlay.execute("PRAGMA journal_mode = OFF")
        overlay.execute("BEGIN")
        overlay.execute(SCHEMA)
        store = Rehearsal(pool, overlay, clock)
        batcher = Batcher(store, batch_commands=batch_commands)
        batcher.start()
        try:
            yield Handler(store, batcher, admission, clock)
        finally:
            await batcher.stop()


class Rehearsal(EventStore):
    """Reads the log, and keeps what it is told to append in a file: memory does not follow how much that is.

    Its verdicts are those that the log would give now; what others append meanwhile is met as it is there.
    """

    does = "rehearsed"

    def __init__(
        self, pool: AsyncConnectionPool[Connection], overlay: sqlite3.Connection, clock: Callable[[], datetime]
    ) -> None:
        super().__init__(pool)
        self._overlay = overlay
        self._clock = clock
        self._position = 0
        self._recorded_at = datetime.min.replace(tzinfo=UTC)

    async def load(self, stream: str, after: int = 0, up_to: int = LATEST) -> list[Recorded]:
        """Return the events of a stream as EventStore does, then those that lie over it."""
        return [*await super().load(stream, after, up_to), *self._laid_over(stream, after, up_to)]

    async def load_many(self, streams: Sequence[str]) -> dict[str, list[Recorded]]:
        """Return all events of some streams as EventStore does, those that lie over it last."""
        there = await super().load_many(streams)
        return {stream: [*events, *self._laid_over(stream)] for stream, events in there.items()}

    async def append(self, batch: Sequence[Append]) -> list[Verdict]:
        """Return the verdicts that the log would give now, and keep what it would append."""
        streams = list({stream for append in batch for stream, _ in append.expectations})
        last, heads = await self.read_heads(streams)
        heads |= {stream: found for stream in streams if (found := self._head(stream))}
        if last is not None:
            self._position, self._recorded_at = max(self._position, last[0]), max(self._recorded_at, last[1])
        return [self._append(append, heads) for append in batch]

    def _append(self, append: Append, heads: dict[str, Head]) -> Verdict:
        now = max(self._clock(), self._recorded_at + MICROSECOND)
        own = sum(stream_of(append, event) == append.stream for _, event in append.events)
        is_due = append.decided_until is not None and now >= append.decided_until
        changed = any(heads.get(stream, NOTHING)[0] != event_id for stream, event_id in append.expectations)
        self._position += 0 if is_due or changed else len(append.events)
        verdict = Verdict(
            verdict="conflict" if is_due or changed else "appended" if append.events else "checked",
            position=self._position,
            event_id=append.events[0][0] if append.events else None,
            stream=append.stream,
            version=heads.get(append.stream, NOTHING)[1] + own,
            recorded_at=now,
            status=None,
            request_digest=None,
        )
        if verdict.verdict == "appended":
            for recorded in as_recorded(append, verdict):
                heads[recorded.stream] = (recorded.event_id, recorded.version)
                self._recorded_at = recorded.recorded_at
                self._overlay.execute(INSERT, (recorded.stream, recorded.version, _encode(_row(recorded))))
        return verdict

    def _head(self, stream: str) -> Head | None:
        found = self._overlay.execute(LAST, (stream,)).fetchone()
        if found is None:
            return None
        row = _decode(found[0])
        return row[1], row[3]

    def _laid_over(self, stream: str, after: int = 0, up_to: int = LATEST) -> list[Recorded]:
        return [decode(*_decode(row)) for (row,) in self._overlay.execute(SELECT, (stream, after, up_to))]


def _row(recorded: Recorded) -> Row:
    name, until = type(recorded.event).__name__, recorded.effective_until
    return (
        recorded.position,
        recorded.event_id,
        recorded.stream,
        recorded.version,
        name,
        SCHEMA_VERSIONS[name],
        recorded.effective_at,
        until if isinstance(until, datetime) else None,
        until == INFINITY,
        recorded.recorded_at,
        encode_payload(recorded.event, recorded.context),
        encode_metadata(recorded.metadata),
    )
