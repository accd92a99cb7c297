"""The one command on an entity whose stream cannot be folded: leave the event at fault out, for good."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING
from uuid import UUID

from msgspec import Struct

from shared.core.codec import EVENT_ID, POSITION, STREAM, LogRow, decode, decode_stream, is_skipping
from shared.core.errors import BehindParked, CanBeFolded, CannotFold, Contended, KeyReused, NotSkippable, Unknown
from shared.core.events import EventSkipped, Recorded, uid_of
from write_side import entity, ids
from write_side.appends import Append, as_recorded

if TYPE_CHECKING:
    from collections.abc import Sequence

    from write_side.admission import Admission
    from write_side.batcher import Batcher
    from write_side.event_store import EventStore
    from write_side.handler import Request

ATTEMPTS = 32


class Skipped(Struct, frozen=True, kw_only=True):
    """Which event of which entity is left out, and the event that says so: its id, where it is, and why.

    `replayed` where it had been said before.
    """

    entity_uid: UUID
    skipped_event_id: UUID
    event_id: UUID
    position: int
    reason: str | None
    replayed: bool


class Skipper:
    """Executes skips: they rest on the raw stream, and on its last event."""

    def __init__(self, store: EventStore, batcher: Batcher, admission: Admission) -> None:
        self._store = store
        self._batcher = batcher
        self._admission = admission

    async def skip(self, position: int, request: Request) -> Skipped:
        """Append that an event is skipped; where it is already, return that answer again.

        Raises what decide raises, Unknown, KeyReused, Contended, Unavailable.
        """
        command_id, event_id = request.command_id or ids.uuid7(), ids.uuid7()
        with self._admission.admit(request.size):
            for _ in range(ATTEMPTS):
                rows = await self.stream_around(position)
                stream, uid, target = await asyncio.to_thread(decide, rows, position)  # others are served meanwhile
                said = skipping(rows, target)
                append = Append(
                    command_id=command_id,
                    stream=stream,
                    expectations=[(stream, rows[-1][EVENT_ID])],
                    events=[] if said else [(event_id, EventSkipped(target))],
                    effective_at=None,
                    context=request.context,
                    metadata=request.metadata,
                    receipt=request.receipt,
                    size=request.size,
                )
                verdict = await self._batcher.submit(append)
                if request.receipt and verdict.request_digest not in {None, request.receipt.digest}:
                    raise KeyReused
                if verdict.verdict == "appended":
                    (said,) = as_recorded(append, verdict)
                elif verdict.verdict == "conflict" or said is None:  # the log tells what was there before
                    continue
                return Skipped(
                    entity_uid=uid,
                    skipped_event_id=target,
                    event_id=said.event_id,
                    position=said.position,
                    reason=said.context.reason,
                    replayed=said.event_id != event_id,
                )
        raise Contended(ATTEMPTS)

    async def ask_to_retry(self, position: int) -> None:
        """Ask the projector to fold the stream of an event again. Raises Unknown, Unavailable."""
        await self.stream_around(position)
        await self._store.ask_to_retry(position)

    async def stream_around(self, position: int) -> list[LogRow]:
        """Return the stream that has a position, as the log has it. Raises Unknown, Unavailable."""
        rows = await self._store.rows_around(position)
        if not rows:
            raise Unknown(f"event in the log: {position}")
        return rows


def decide(rows: Sequence[LogRow], position: int) -> tuple[str, UUID, UUID]:
    """Return the stream, its entity and the event, where it is skipped or can be.

    Raises NotSkippable where the stream is of no entity, CanBeFolded and BehindParked where it is not the first event
    that cannot be folded.
    """
    stream = rows[0][STREAM]
    uid = uid_of(stream)
    if uid is None:
        raise NotSkippable(position)
    target: UUID = next(row[EVENT_ID] for row in rows if row[POSITION] == position)
    if skipping(rows, target) is None:
        first = unfoldable(uid, rows)
        if first is None or position < first:
            raise CanBeFolded(position)
        if position > first:
            raise BehindParked(position, first)
    return stream, uid, target


def skipping(rows: Sequence[LogRow], event_id: UUID) -> Recorded | None:
    """Return the event of a stream that skips another one of it, None where none does."""
    for row in filter(is_skipping, rows):
        with suppress(CannotFold):  # what it skips is not known here
            recorded = decode(*row)
            if isinstance(recorded.event, EventSkipped) and recorded.event.event_id == event_id:
                return recorded
    return None


def unfoldable(entity_uid: UUID, rows: Sequence[LogRow]) -> int | None:
    """Return the position of the first event of an entity that cannot be folded, None where all can."""
    state = entity.initial(entity_uid)
    try:
        for recorded in decode_stream(rows):
            state = entity.evolve(state, recorded)
    except CannotFold as error:
        return error.position
    return None
