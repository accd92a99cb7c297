"""The limit on guessing passwords, on a real database."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any, Literal

import psycopg
import pytest
from argon2 import PasswordHasher

from db.accounts import Accounts
from db.pool import Dsns, make_pool
from shared.core.errors import Invalid, TooManyAttempts

pytestmark = pytest.mark.anyio
Sql = psycopg.Connection[Any]
HERE, THERE = "203.0.113.7", "198.51.100.9"


class CountingHasher(PasswordHasher):
    """The cheapest argon2 there is; it counts the passwords that were looked at."""

    def __init__(self) -> None:
        super().__init__(time_cost=1, memory_cost=8, parallelism=1)
        self.verified = 0

    def verify(self, hash: str | bytes, password: str | bytes) -> Literal[True]:  # noqa: A002  # its name in argon2
        self.verified += 1
        return super().verify(hash, password)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@asynccontextmanager
async def opened(database: str, hasher: PasswordHasher | None = None) -> AsyncIterator[Accounts]:
    async with make_pool(Dsns(database).of("write"), 8) as pool:
        yield Accounts(pool, hasher=hasher or CountingHasher())


@pytest.fixture
async def accounts(database: str) -> AsyncIterator[Accounts]:
    async with opened(database) as it:
        await it.create_user("jo", "1234", is_admin=False)
        await it.create_user("root", "1234", is_admin=True)
        yield it


@pytest.fixture
def sql(database: str) -> Iterator[Sql]:
    with psycopg.connect(database, autocommit=True) as connection:
        yield connection


async def fail(accounts: Accounts, times: int, username: str = "jo", address: str = HERE) -> None:
    for _ in range(times):
        with pytest.raises(Invalid):
            await accounts.log_in(username, "wrong", address=address)


async def refused(accounts: Accounts, password: str) -> int:
    with pytest.raises(TooManyAttempts) as error:
        await accounts.log_in("jo", password, address=HERE)
    return error.value.retry_after


def let_pass(sql: Sql, seconds: float) -> None:
    sql.execute("UPDATE auth.login_bucket SET refilled_at = refilled_at - %s * interval '1 s'", (seconds,))


async def test_failures_use_up_the_bucket_and_time_refills_it(accounts: Accounts, sql: Sql) -> None:
    await fail(accounts, 10)
    assert 28 <= await refused(accounts, "wrong") <= 30
    assert 28 <= await refused(accounts, "1234") <= 30
    await accounts.log_in("jo", "1234", address=THERE)
    let_pass(sql, 60)
    await fail(accounts, 2)
    await refused(accounts, "1234")
    let_pass(sql, 30)
    await accounts.log_in("jo", "1234", address=HERE)


async def test_a_bucket_never_holds_more_than_its_capacity(accounts: Accounts, sql: Sql) -> None:
    for _ in range(3):
        await accounts.log_in("jo", "1234", address=HERE)
    let_pass(sql, 86400)
    await fail(accounts, 10)
    await refused(accounts, "1234")


async def test_success_costs_nothing_however_many_log_in_at_once(accounts: Accounts) -> None:
    await fail(accounts, 9)
    for _ in range(12):
        await accounts.log_in("jo", "1234", address=HERE)
    await asyncio.gather(*(accounts.log_in("jo", "1234", address=HERE) for _ in range(20)))
    await fail(accounts, 1)
    await refused(accounts, "1234")


async def test_guessing_many_accounts_from_one_address_is_limited(accounts: Accounts) -> None:
    for n in range(50):
        await fail(accounts, 1, f"user {n}")
    assert 1 <= await refused(accounts, "1234") <= 6
    await accounts.log_in("jo", "1234", address=THERE)


async def test_a_refused_attempt_costs_nothing(accounts: Accounts, sql: Sql) -> None:
    await fail(accounts, 10)
    before = sql.execute("SELECT * FROM auth.login_bucket ORDER BY 1").fetchall()
    for _ in range(60):
        await refused(accounts, "1234")
    assert sql.execute("SELECT * FROM auth.login_bucket ORDER BY 1").fetchall() == before


async def test_a_flood_over_several_processes_has_no_more_guesses_than_the_bucket(database: str) -> None:
    one, other = CountingHasher(), CountingHasher()
    async with opened(database, hasher=one) as first, opened(database, hasher=other) as second:
        await first.create_user("jo", "1234", is_admin=False)
        results = await asyncio.gather(
            *(each.log_in("jo", f"guess {n}", address=HERE) for n in range(60) for each in (first, second)),
            return_exceptions=True,
        )
    assert one.verified + other.verified == 10
    assert sum(isinstance(result, TooManyAttempts) for result in results) == 110
    assert sum(isinstance(result, Invalid) for result in results) == 10


async def test_a_flood_over_many_accounts_has_no_more_guesses_than_the_address(database: str) -> None:
    one, other = CountingHasher(), CountingHasher()
    async with opened(database, hasher=one) as first, opened(database, hasher=other) as second:
        results = await asyncio.gather(
            *(each.log_in(f"user {n % 30}", "x", address=HERE) for n in range(120) for each in (first, second)),
            return_exceptions=True,
        )
    assert 50 <= one.verified + other.verified <= 52  # one comes back every 6 s
    assert {type(result) for result in results} == {TooManyAttempts, Invalid}


async def test_a_hash_is_checked_for_an_unknown_user_too(database: str) -> None:
    hasher = CountingHasher()
    async with opened(database, hasher=hasher) as accounts:
        await fail(accounts, 1, "nobody")
        await fail(accounts, 1, "no\0body")
    assert hasher.verified == 2


async def test_full_buckets_and_expired_tokens_are_forgotten_now_and_then(accounts: Accounts, sql: Sql) -> None:
    await fail(accounts, 1, address=THERE)
    let_pass(sql, 201)
    await fail(accounts, 1, address=HERE)
    let_pass(sql, 100)
    await accounts.issue_token("jo", ttl=1000, label="old")
    await accounts.issue_token("jo", label="for ever")
    sql.execute("UPDATE auth.token SET expires_at = expires_at - interval '1 h'")
    accounts._limiter._tidied -= 61
    await accounts.log_in("root", "1234", address="192.0.2.1")
    assert sql.execute("SELECT count(*) FROM auth.login_bucket").fetchone() == (4,)
    assert {row.label for row in await accounts.list_tokens()} == {"for ever", "log in"}
