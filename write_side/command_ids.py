"""The ids of commands that a source may send again: the same row of the same source is the same command, for good."""

from __future__ import annotations

import sqlite3
from collections import Counter
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
COUNT = "INSERT INTO seen VALUES {} ON CONFLICT DO UPDATE SET times = times + excluded.times RETURNING content, times"
AT_ONCE = 250
"""How many contents are counted by one statement: SQLite takes a thousand values, where it is old."""


class Name(Struct, frozen=True, gc=False):
    """How a command is known when it comes again: by its id in the log; by a receipt where it changed nothing."""

    command_id: UUID
    key: bytes
    digest: bytes


class CommandIds:
    """Names commands by their source, their content, and how often that content has come up to here."""

    def __init__(self, scope: Sequence[str], seen: sqlite3.Connection) -> None:
        self._scope = scope
        self._seen = seen

    def names(self, commands: Sequence[tuple[Upsert, str | None]]) -> list[Name]:
        """Return the names of the next commands of the source, each with the reason that is given for it.

        NOTE: a storage format: an id is a UUID of version 8, of the digest of scope, content digest and occurrence.
        """
        contents = [sha256(canonical(command)).digest() for command in commands]
        named = []
        for content, times in zip(contents, self._times(contents), strict=True):
            key = sha256(canonical([*self._scope, times]) + content).digest()
            value = int.from_bytes(key[:16], "big")
            value = value & ~(0xF << 76) | 8 << 76
            value = value & ~(0x3 << 62) | 2 << 62
            named.append(Name(msgspec.convert(value.to_bytes(16, "big"), UUID), key, content))
        return named

    def _times(self, contents: Sequence[bytes]) -> list[int]:
        """Count some more contents, and return how often each has come up to there."""
        left = Counter(contents)
        counted = list(left.items())
        totals: dict[bytes, int] = {}
        for start in range(0, len(counted), AT_ONCE):
            some = counted[start : start + AT_ONCE]
            rows = ",".join(["(?,?)"] * len(some))
            totals |= self._seen.execute(COUNT.format(rows), [value for item in some for value in item]).fetchall()
        times = []
        for content in contents:
            left[content] -= 1
            times.append(totals[content] - left[content])
        return times


@contextmanager
def command_ids(*scope: str) -> Iterator[CommandIds]:
    """Yield what names the commands of a source; what it has seen lies in a file of its own, which then is gone."""
    with closing(sqlite3.connect("", isolation_level=None)) as seen:
        seen.execute("PRAGMA journal_mode = OFF")
        seen.execute("BEGIN")
        seen.execute(SCHEMA)
        yield CommandIds(scope, seen)
