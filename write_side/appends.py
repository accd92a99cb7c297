"""What is handed to the log, and what comes back: one command to append, and the verdict on it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

from msgspec import Struct

from shared.core.events import (
    Context,
    Event,
    ExternalKeyClaimed,
    Metadata,
    Recorded,
    Until,
    external_key_stream,
)

MICROSECOND = timedelta(microseconds=1)
LATEST = 2**31 - 1
"""No version is greater."""


class Receipt(Struct, frozen=True, gc=False):
    """How a repeated request is known: by its key for good, or (window) by its content for a while.

    `status` is what the request answers; None where it was refused: the key is looked up and nothing kept.
    """

    key: bytes
    digest: bytes
    status: int | None
    window: timedelta | None


class Append(Struct, frozen=True, gc=False):
    """One command to append: on what it was decided (stream, last event id), what it makes happen (event id, event).

    Its events go to its stream, a claim of a key to that of the key; those of its stream come first. `size` is about
    what it takes in memory, in bytes.
    """

    command_id: UUID
    stream: str
    expectations: Sequence[tuple[str, UUID | None]]
    events: Sequence[tuple[UUID, Event]]
    effective_at: datetime | None
    context: Context
    metadata: Metadata
    receipt: Receipt | None = None
    effective_until: Until = None
    decided_until: datetime | None = None
    size: int = 0


class Verdict(Struct, frozen=True, gc=False):
    """What became of a command.

    appended: `event_id` and `recorded_at` are those of its first event, `position` that of its last, `version` is the
    stream's after it. checked: it had no event, and what it was decided on still holds. conflict: it does not hold.
    duplicate: as answered the first time; `status` and `request_digest` come from the receipt, or are None when the
    command id itself was there already.
    """

    verdict: Literal["appended", "checked", "conflict", "duplicate"]
    position: int
    event_id: UUID | None
    stream: str
    version: int | None
    recorded_at: datetime
    status: int | None
    request_digest: bytes | None


class Executed(Struct, frozen=True, gc=False):
    """A command that was executed before: on which entity, what it appended first, and how far the log was then."""

    entity_uid: UUID
    event_id: UUID | None
    position: int
    status: int


def stream_of(append: Append, event: Event) -> str:
    """Return the stream that an event of a command goes to."""
    if isinstance(event, ExternalKeyClaimed):
        return external_key_stream(event.source, event.external_id)
    return append.stream


def span_of(append: Append, event: Event) -> tuple[datetime | None, Until]:
    """Return since when an event of a command holds, and how long: a key is bound when that is recorded, for good."""
    return (None, None) if isinstance(event, ExternalKeyClaimed) else (append.effective_at, append.effective_until)


def is_own(append: Append, verdict: Verdict) -> bool:
    """Say whether a command's events are in the log; one that is sent again finds its own there, as a duplicate."""
    return bool(append.events) and verdict.event_id == append.events[0][0]


def as_recorded(append: Append, verdict: Verdict) -> list[Recorded]:
    """Return the events of a command as the log has them now, without reading them back."""
    position, at = verdict.position - len(append.events) + 1, verdict.recorded_at
    version = (verdict.version or 0) + 1 - sum(not isinstance(event, ExternalKeyClaimed) for _, event in append.events)
    recorded = []
    for event_id, event in append.events:
        stream, (since, until) = stream_of(append, event), span_of(append, event)
        is_claim = isinstance(event, ExternalKeyClaimed)
        recorded.append(
            Recorded(
                position,
                event_id,
                stream,
                1 if is_claim else version,
                event,
                since or at,
                until,
                at,
                append.context,
                append.metadata,
            )
        )
        position, version, at = position + 1, version + (not is_claim), at + MICROSECOND
    return recorded
