"""Passwords: argon2id, off the event loop, a few at a time."""

from __future__ import annotations

import asyncio
from base64 import b64encode

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from shared.core.errors import invalid

PASSWORD_CHARACTERS = 4096
HASHES_AT_ONCE = 4
"""Each takes 64 MiB and some 0.1 s of every core."""


class Passwords:
    """Argon2 off the event loop, a few at a time: a flood of log-ins starts no flood of threads."""

    def __init__(self, hasher: PasswordHasher) -> None:
        self._hasher = hasher
        self.turns = asyncio.Semaphore(HASHES_AT_ONCE)
        salt, digest = (b64encode(bytes(size)).decode().rstrip("=") for size in (hasher.salt_len, hasher.hash_len))
        cost = f"m={hasher.memory_cost},t={hasher.time_cost},p={hasher.parallelism}"
        self.nobodys = f"$argon2id$v=19${cost}${salt}${digest}"
        """A hash that no password has: checking against it takes as long as for a user who exists."""

    async def hash(self, password: str) -> str:
        """Return what is stored of a password; waits for a turn."""
        async with self.turns:
            return await asyncio.to_thread(self._hasher.hash, _bytes(password))

    async def verify(self, stored: str, password: str) -> bool:
        """Say whether it is the password; the caller holds a turn."""
        return await asyncio.to_thread(self._verify, stored, _bytes(password))

    def outdated(self, stored: str) -> bool:
        """Say whether the hash was made with other parameters than today's."""
        return self._hasher.check_needs_rehash(stored)

    def _verify(self, stored: str, password: bytes) -> bool:
        try:
            return self._hasher.verify(stored, password)
        except (VerificationError, InvalidHashError):
            return False


def check_password(text: str) -> str:
    """Return a password that can be set. Raises Invalid for an empty one and one of more than PASSWORD_CHARACTERS."""
    if not 0 < len(text) <= PASSWORD_CHARACTERS:
        raise invalid("password", f"Not a password: 1 to {PASSWORD_CHARACTERS} characters.")
    return text


def _bytes(text: str) -> bytes:
    # a lone surrogate is no character, but no reason to fail either
    return text.encode("utf-8", "surrogatepass")
