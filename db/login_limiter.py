"""The limit on guessing passwords: token buckets in the database, so that it holds over processes and restarts."""

from __future__ import annotations

import asyncio
from hashlib import sha256
from ipaddress import IPv6Address, IPv6Network, ip_address
from math import ceil
from time import monotonic
from typing import Any
from weakref import WeakValueDictionary

from db.pool import Connection
from db.queries import statement
from shared.core.errors import TooManyAttempts

REFILL_SECONDS = 30.0
ADDRESS_SHARE = 0.2
"""What a failure costs the bucket of its address: many people can share one, so it bears five times as many."""
TIDY_SECONDS = 60.0


class LoginLimiter:
    """Token buckets in the database: one for each account and address, one for each address. Only failures cost.

    An attempt is charged before its password is looked at, in one UPSERT, and gets it back on success: so any number
    of simultaneous attempts, over any number of processes, have no more guesses than the bucket holds.
    """

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._tidied = monotonic()

    def buckets(self, username: str, address: str) -> list[str]:
        """Return the names of the buckets of an attempt, the account's first: digests, so any input has one."""
        network = _network(address)
        keys = (f"account\0{username}\0{network}", f"address\0{network}")
        return [sha256(key.encode("utf-8", "surrogatepass")).hexdigest() for key in keys]

    def turn(self, bucket: str) -> asyncio.Lock:
        """Return the lock that lets attempts of one bucket wait for each other instead of using up its failures."""
        return self._turns.setdefault(bucket, asyncio.Lock())

    async def take(self, connection: Connection, buckets: list[str]) -> None:
        """Charge one attempt. Raises TooManyAttempts, nothing charged, when one of the buckets is empty."""
        parameters = {**self._charge(buckets), "refill_seconds": REFILL_SECONDS}
        async with connection.transaction():
            cursor = await connection.execute(statement("auth/take_attempt"), parameters)
            left = min([row[0] for row in await cursor.fetchall()])
            if left < 0:
                raise TooManyAttempts(retry_after=max(1, ceil(-left * REFILL_SECONDS)))

    async def give_back(self, connection: Connection, buckets: list[str]) -> None:
        """Return what `take` charged: the attempt was no failure."""
        await connection.execute(statement("auth/return_attempt"), self._charge(buckets))

    async def tidy(self, connection: Connection) -> None:
        """Now and then, forget full buckets and expired tokens."""
        if monotonic() - self._tidied > TIDY_SECONDS:
            self._tidied = monotonic()
            full = {"full_seconds": self._capacity * REFILL_SECONDS}
            await connection.execute(statement("auth/delete_full_buckets"), full)
            await connection.execute(statement("auth/delete_expired_tokens"))

    def _charge(self, buckets: list[str]) -> dict[str, Any]:
        return {"buckets": buckets, "costs": [1.0, ADDRESS_SHARE], "capacity": float(self._capacity)}


def _network(address: str) -> str:
    """Return what counts as one address: of IPv6 the /64, since whoever has one address there has them all."""
    try:
        found = ip_address(address)
    except ValueError:
        return address
    if isinstance(found, IPv6Address):
        return str(found.ipv4_mapped or IPv6Network((int(found), 64), strict=False))
    return str(found)
