"""How a test talks to log.append_events: commands in, one verdict a command out."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID, uuid4

import psycopg
from psycopg.rows import class_row

from db.queries import statement
from shared.core.codec import encode_metadata, encode_payload
from shared.core.events import Context, Event, Metadata, Until
from shared.core.upcasters import SCHEMA_VERSIONS


class Stored(NamedTuple):
    """An event as a release writes it, in its shape; of a type that this one does not know, unless told otherwise."""

    type: str = "EntityVanished"
    schema_version: int = 1
    payload: str = '{"context":{},"data":{"how":"in smoke"}}'


Written = Event | Stored


@dataclass(frozen=True, kw_only=True)
class Append:
    """One command of a batch: what it appends, and what that rests on."""

    stream: str
    events: Sequence[Written] = ()
    also: Mapping[str, Written] = field(default_factory=dict)  # an event in another stream
    expects: Mapping[str, UUID | None] = field(default_factory=dict)  # by stream: its last event_id
    effective_at: datetime | None = None
    effective_until: Until = None
    event_id: UUID = field(default_factory=uuid4)  # of its first event
    command_id: UUID = field(default_factory=uuid4)
    decided_until: datetime | None = None
    key: bytes | None = None
    digest: bytes = b"request"
    status: int | None = 200
    window: timedelta | None = None
    context: Context = Context(ip_address="192.0.2.1", user_agent="tests")  # noqa: RUF009  # frozen
    metadata: Metadata = Metadata(actor="user_1", request_id="request-1")  # noqa: RUF009  # frozen


@dataclass(frozen=True)
class Verdict:
    """What became of one command."""

    verdict: str
    position: int
    event_id: UUID | None
    stream: str
    version: int | None
    recorded_at: datetime
    status: int | None
    request_digest: bytes | None


CALL = statement("write/append_events")
ARRAYS = re.findall(r"%\((\w+)\)b", CALL)


def append(connection: psycopg.Connection[Any], *commands: Append) -> list[Verdict]:
    """Append a batch within the connection's transaction."""
    batch: dict[str, list[Any]] = {name: [] for name in ARRAYS}

    def place(stream: str) -> int:
        if stream not in batch["streams"]:
            batch["streams"].append(stream)
        return batch["streams"].index(stream) + 1

    def add(**values: Any) -> None:
        for name, value in values.items():
            batch[name].append(value)

    for number, command in enumerate(commands, start=1):
        add(
            command_ids=command.command_id,
            command_streams=place(command.stream),
            decided_untils=command.decided_until,
            receipt_keys=command.key,
            receipt_digests=command.digest if command.key else None,
            receipt_statuses=command.status if command.key else None,
            receipt_windows=command.window,
        )
        for stream, event_id in command.expects.items():
            add(expected_commands=number, expected_streams=place(stream), expected_event_ids=event_id)
        events = [
            *((command.stream, _stored(event, command.context)) for event in command.events),
            *((stream, _stored(event, command.context)) for stream, event in command.also.items()),
        ]
        until = command.effective_until
        for nth, (stream, event) in enumerate(events):
            add(
                event_commands=number,
                event_streams=place(stream),
                event_ids=uuid4() if nth else command.event_id,
                event_types=event.type,
                event_schema_versions=event.schema_version,
                event_effective_ats=command.effective_at,
                event_effective_untils=until.isoformat() if isinstance(until, datetime) else until,
                event_payloads=event.payload,
                event_salts=b"salt",
                event_metadatas=encode_metadata(command.metadata),
            )
    with connection.cursor(row_factory=class_row(Verdict)) as cursor:
        return cursor.execute(CALL, batch).fetchall()


def _stored(event: Written, context: Context) -> Stored:
    """Return an event as it is written today, unless it was written before."""
    if isinstance(event, Stored):
        return event
    name = type(event).__name__
    return Stored(name, SCHEMA_VERSIONS[name], encode_payload(event, context))
