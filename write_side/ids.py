"""Ids and salts: where chance enters the command side."""

from __future__ import annotations

import os
import time
from uuid import UUID

SALT_BYTES = 16


def uuid7() -> UUID:
    """Return a UUIDv7 (RFC 9562): milliseconds since 1970 in the first 48 bits, the rest random."""
    milliseconds = time.time_ns() // 1_000_000
    random = int.from_bytes(os.urandom(10), "big")
    value = (milliseconds & (1 << 48) - 1) << 80 | random
    value = value & ~(0xF << 76) | 7 << 76
    value = value & ~(0x3 << 62) | 2 << 62
    return UUID(int=value)


def salt() -> bytes:
    """Return the salt of one event's payload digest."""
    return os.urandom(SALT_BYTES)
