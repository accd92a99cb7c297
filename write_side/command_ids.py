"""The ids of commands that a source may send again: the same row of the same source is the same command, for good."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from hashlib import sha256
from typing import TYPE_CHECKING
from uuid import UUID

import msgspec
from msgspec import Struct

if TYPE_CHECKING:
    from write_side.upsert import Upsert

canonical = msgspec.json.Encoder(order="sorted").encode
SCHEMA = "CREATE TABLE seen (content BLOB PRIMARY KEY, times INTEGER NOT NULL) WITHOUT ROWID"
COUNT = "INSERT INTO seen VALUES (?, 1) ON CONFLICT DO UPDATE SET times = times + 1 RETURNING times"


class Name(Struct, frozen=True):
    """How a command is known when it comes again: by its id in the log; by a receipt where it changed nothing."""

    command_id: UUID
    key: bytes
    digest: bytes


class CommandIds:
    """Names commands by their source, their content, and how often that content has come up to here."""

    def __init__(self, scope: Sequence[str], seen: sqlite3.Connection) -> None:
        self._scope = scope
        self._seen = seen

    def name(self, command: Upsert, reason: str | None) -> Name:
        """Return the name of the next command of the source.

        NOTE: a storage format: an id is a UUID of version 8, of the digest of scope, content digest and occurrence.
        """
        content = sha256(canonical([command, reason])).digest()
        ((times,),) = self._seen.execute(COUNT, (content,)).fetchall()
        key = sha256(canonical([*self._scope, times]) + content).digest()
        value = int.from_bytes(key[:16], "big")
        value = value & ~(0xF << 76) | 8 << 76
        value = value & ~(0x3 << 62) | 2 << 62
        return Name(UUID(int=value), key, content)


@contextmanager
def command_ids(*scope: str) -> Iterator[CommandIds]:
    """Yield what names the commands of a source; what it has seen lies in a file of its own, which then is gone."""
    with closing(sqlite3.connect("", isolation_level=None)) as seen:
        seen.execute("PRAGMA journal_mode = OFF")
        seen.execute("BEGIN")
        seen.execute(SCHEMA)
        yield CommandIds(scope, seen)
