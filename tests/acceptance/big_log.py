"""A log of any length in little time: COPYed as it stands, its digests and links worked out here, not by the service.

Every fourth event registers an entity, the others revise one of a thousand that live at a time: mostly forward, some
about the past, some for a while.
"""

from __future__ import annotations

import json
import random
from collections import deque
from collections.abc import Iterator
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any
from uuid import UUID

import psycopg

from shared.core.events import entity_stream
from tests.oracle_log import Event, link_of

EVENTS_AN_ENTITY = 4
LIVING = 1000
MILLISECOND, DAY = timedelta(milliseconds=1), timedelta(days=1)
SALT = bytes(16)
METADATA = '{"actor":"user_1","request_id":"big-log"}'
COLUMNS = (
    *("position", "event_id", "stream", "version", "type", "schema_version", "effective_at", "effective_until"),
    *("recorded_at", "payload", "salt", "payload_digest", "link", "command_id", "ordinal", "metadata"),
)


def uid(number: int) -> UUID:
    """Return the uid of an entity, by its number from 0: spread, so that streams come in another order than events."""
    return UUID(int=(number + 1) * 0x9E3779B97F4A7C15F39CC0605CEDC835 % (1 << 128), version=4)


def fill(connection: psycopg.Connection[Any], events: int, *, seed: int = 1) -> int:
    """Put so many events into an empty log, the last recorded just now; return how many entities they are about."""
    ((since,),) = connection.execute("SELECT now() - %s", [events * MILLISECOND]).fetchall()
    chain = bytes(32)
    columns = ", ".join(COLUMNS)
    with connection.cursor() as cursor, cursor.copy(f"COPY log.event ({columns}) FROM STDIN".encode()) as copy:
        for event in _events(events, since, random.Random(seed)):  # noqa: S311  # it invents lives
            chain = link_of(chain, event)
            copy.write_row([chain if name == "link" else getattr(event, name) for name in COLUMNS])
    connection.commit()
    connection.execute("ANALYZE log.event")
    return -(-events // EVENTS_AN_ENTITY)


def _events(events: int, since: datetime, chance: random.Random) -> Iterator[Event]:
    living: deque[list[int]] = deque(maxlen=LIVING)  # of each entity its number, and its version
    for n in range(events):
        recorded_at = since + n * MILLISECOND
        if n % EVENTS_AN_ENTITY == 0:
            living.append([n // EVENTS_AN_ENTITY, 0])
        who = living[-1] if n % EVENTS_AN_ENTITY == 0 else chance.choice(living)
        who[1] += 1
        said, at, until = _said(who[0], who[1], recorded_at, chance)
        payload = json.dumps({"context": {}, "data": said}, separators=(",", ":"), sort_keys=True)
        yield Event(
            position=n + 1,
            event_id=UUID(int=chance.getrandbits(128), version=4),
            stream=entity_stream(uid(who[0])),
            version=who[1],
            type="EntityRegistered" if who[1] == 1 else "EntityRevised",
            schema_version=1,
            effective_at=at,
            effective_until=until,
            recorded_at=recorded_at,
            payload=payload,
            salt=SALT,
            payload_digest=sha256(SALT + payload.encode()).digest(),
            link=b"",
            command_id=UUID(int=chance.getrandbits(128), version=4),
            ordinal=0,
            metadata=METADATA,
        )


def _said(
    number: int, version: int, recorded_at: datetime, chance: random.Random
) -> tuple[dict[str, Any], datetime, str | None]:
    """Return what an event says, since when and how long."""
    details = {"EMAIL": f"{number}.{version}@example.com"}
    if version == 1:
        return {"display_name": f"Name {number}", "entity_type": "PERSON", "details": details}, recorded_at, None
    said = {"display_name": f"Name {number}.{version}"} if chance.random() < 0.5 else {"details": details}
    kind = chance.random()
    if kind < 0.9:
        return said, recorded_at, None
    at = recorded_at - DAY * chance.random()
    return said, at, None if kind < 0.95 else (at + DAY * chance.random()).isoformat()
