"""Ids and salts: where chance enters the command side."""

from __future__ import annotations

import os
import time
from io import BytesIO
from uuid import UUID

from msgspec import convert

SALT_BYTES = 16
VERSION_7 = 7 << 76 | 2 << 62
RANDOM = ~(0xF << 76 | 0x3 << 62)
"""Which bits of the last 80 are not told by version and variant."""
CHANCE_BYTES = 10
FETCHED_BYTES = 4096


class _Fetched:
    """Random bytes of the system's, fetched many at a time: to ask for some takes longer than to make an id of them."""

    def __init__(self) -> None:
        self._forget()
        os.register_at_fork(after_in_child=self._forget)  # a child that had the same would make the same ids

    def _forget(self) -> None:
        self._bytes = BytesIO()

    def __call__(self, count: int) -> bytes:
        """Return so many that nobody has had."""
        found = self._bytes.read(count)
        while len(found) < count:
            self._bytes = BytesIO(os.urandom(FETCHED_BYTES))
            found = self._bytes.read(count)
        return found


_chance = _Fetched()


def uuid7() -> UUID:
    """Return a UUIDv7 (RFC 9562): milliseconds since 1970 in the first 48 bits, the rest random."""
    milliseconds = time.time_ns() // 1_000_000
    number = milliseconds << 80 | int.from_bytes(_chance(CHANCE_BYTES), "big") & RANDOM | VERSION_7
    return convert(number.to_bytes(16, "big"), UUID)  # a sixth of what UUID itself takes: every command has three


def salt() -> bytes:
    """Return the salt of one event's payload digest."""
    return os.urandom(SALT_BYTES)
