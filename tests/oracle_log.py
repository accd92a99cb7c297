"""The log as the oracle reads it, and the promises that the log makes about itself."""

from __future__ import annotations

import json
import struct
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from itertools import pairwise
from typing import Any
from uuid import UUID

import psycopg
from psycopg.rows import class_row

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, kw_only=True)
class Event:
    """One row of log.event: payload and metadata as their exact texts, effective_until as text (it may be infinite)."""

    position: int
    event_id: UUID
    stream: str
    version: int
    type: str
    schema_version: int
    effective_at: datetime
    effective_until: str | None
    recorded_at: datetime
    payload: str
    salt: bytes
    payload_digest: bytes
    link: bytes
    command_id: UUID
    ordinal: int
    metadata: str

    @property
    def data(self) -> dict[str, Any]:
        data: dict[str, Any] = json.loads(self.payload)["data"]
        return data

    @property
    def context(self) -> dict[str, Any]:
        context: dict[str, Any] = json.loads(self.payload)["context"]
        return context

    @property
    def said_by(self) -> dict[str, Any]:
        metadata: dict[str, Any] = json.loads(self.metadata)
        return metadata


def read_log(connection: psycopg.Connection[Any]) -> list[Event]:
    """Return the whole log in the order of its positions."""
    with connection.cursor(row_factory=class_row(Event)) as cursor:
        return cursor.execute(
            "SELECT position, event_id, stream, version, type, schema_version, effective_at,"
            " effective_until::text, recorded_at, payload::text, salt, payload_digest, link, command_id, ordinal,"
            " metadata::text FROM log.event ORDER BY position"
        ).fetchall()


def check_log(log: Sequence[Event]) -> None:
    """Raise AssertionError where the log breaks a promise that it makes about itself."""
    versions: Counter[str] = Counter()
    link = bytes(32)
    for number, event in enumerate(log, start=1):
        assert event.position == number, f"the log has position {event.position} in place {number}"
        at = f"event {number}"
        versions[event.stream] += 1
        assert event.version == versions[event.stream], (
            f"{at} version: {event.stream} is at {versions[event.stream]}, the log has {event.version}"
        )
        digest = sha256(event.salt + event.payload.encode()).digest()
        assert event.payload_digest == digest, f"{at} payload_digest is not that of its payload"
        link = link_of(link, event)
        assert event.link == link, f"{at} link: the chain is broken here"
    for before, after in pairwise(log):
        assert before.recorded_at < after.recorded_at, f"event {after.position} was not recorded later than the last"


def link_of(previous: bytes, event: Event) -> bytes:
    """Return the link of an event that follows one whose link is `previous`."""

    def sized(text: str) -> bytes:
        return struct.pack(">i", len(text.encode())) + text.encode()

    def instant(at: datetime | str | None) -> bytes:
        if at is None:
            return struct.pack(">q", -(2**63))
        if at == "infinity":
            return struct.pack(">q", 2**63 - 1)
        moment = datetime.fromisoformat(at) if isinstance(at, str) else at
        return struct.pack(">q", (moment - EPOCH) // timedelta(microseconds=1))

    parts = [previous, struct.pack(">q", event.position), event.event_id.bytes, sized(event.stream)]
    parts += [struct.pack(">i", event.version), sized(event.type), struct.pack(">h", event.schema_version)]
    parts += [instant(event.effective_at), instant(event.effective_until), instant(event.recorded_at)]
    parts += [event.command_id.bytes, struct.pack(">h", event.ordinal), sized(event.metadata), event.payload_digest]
    return sha256(b"".join(parts)).digest()
