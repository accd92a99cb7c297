"""The log as text: an event a line, all of it, so that a log can be carried elsewhere and be the same log there.

NOTE: a storage format. JSON with the columns of log.event in their order: instants as PostgreSQL writes them in UTC,
what is binary in hexadecimal digits, payload and metadata as the exact texts that the chain of digests covers.
"""

from __future__ import annotations

import json
from typing import Annotated

import msgspec
from msgspec import Meta, Struct
from msgspec.structs import asdict

Hex = Annotated[str, Meta(pattern="^([0-9a-f]{2})*$")]


class LoggedEvent(Struct, frozen=True, forbid_unknown_fields=True):
    """One event, every column of it."""

    position: int
    event_id: str
    stream: str
    version: int
    type: str
    schema_version: int
    effective_at: str
    effective_until: str | None
    recorded_at: str
    payload: str | None
    salt: Hex | None
    payload_digest: Hex
    link: Hex
    command_id: str
    ordinal: int
    metadata: str


_decode = msgspec.json.Decoder(LoggedEvent).decode


def to_line(event: LoggedEvent) -> bytes:
    """Return the line of an event."""
    return json.dumps(asdict(event), ensure_ascii=False).encode() + b"\n"


def from_line(line: bytes) -> LoggedEvent:
    """Return the event of a line. Raises DecodeError or UnicodeDecodeError where it is not the whole of one."""
    return _decode(line)
