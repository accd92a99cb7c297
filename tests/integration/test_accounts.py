"""Accounts on a real database: users, tokens, roles."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from hashlib import sha256
from typing import Any

import psycopg
import pytest
from argon2 import PasswordHasher

from db import asking
from db.accounts import Accounts
from db.pool import Dsns, Side, make_pool
from shared.core.errors import AlreadyRegistered, Forbidden, Invalid, Unavailable, Unknown
from shared.http.auth import token_hash

pytestmark = pytest.mark.anyio
Sql = psycopg.Connection[Any]
HERE = "203.0.113.7"


def cheap(time_cost: int = 1) -> PasswordHasher:
    return PasswordHasher(time_cost=time_cost, memory_cost=8, parallelism=1)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@asynccontextmanager
async def opened(database: str, side: Side = "write", hasher: PasswordHasher | None = None) -> AsyncIterator[Accounts]:
    async with make_pool(Dsns(database).of(side), 8) as pool:
        yield Accounts(pool, hasher=hasher or cheap())


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


async def scopes_of(accounts: Accounts, token: str) -> set[str] | None:
    principal = await accounts.look_up(token_hash(token))
    return None if principal is None else set(principal.scopes)


# users


async def test_a_username_is_trimmed_and_given_once(accounts: Accounts) -> None:
    with pytest.raises(AlreadyRegistered):
        await accounts.create_user(" jo ", "other", is_admin=True)
    assert (await accounts.log_in("jo ", "1234", address=HERE)).scopes == ["read", "write"]


@pytest.mark.parametrize("username", ["", "  ", "x" * 151, "a\0b", "a\nb", "\ud800", "a\u202eb"])
async def test_what_is_no_username_is_refused_and_nobodys(accounts: Accounts, username: str) -> None:
    with pytest.raises(Invalid, match="username"):
        await accounts.create_user(username, "1234", is_admin=False)
    with pytest.raises(Invalid, match="Unable to log in"):
        await accounts.log_in(username, "1234", address=HERE)


async def test_of_simultaneous_registrations_one_wins(accounts: Accounts) -> None:
    results = await asyncio.gather(
        *(accounts.create_user("new", str(n), is_admin=False) for n in range(8)), return_exceptions=True
    )
    assert results.count(None) == 1
    assert sum(isinstance(result, AlreadyRegistered) for result in results) == 7


async def test_a_new_password_replaces_the_old_and_leaves_tokens(accounts: Accounts) -> None:
    issued = await accounts.log_in("jo", "1234", address=HERE)
    await accounts.set_password("jo", "5678")
    await accounts.log_in("jo", "5678", address=HERE)
    with pytest.raises(Invalid):
        await accounts.log_in("jo", "1234", address=HERE)
    assert await scopes_of(accounts, issued.token) == {"read", "write"}
    with pytest.raises(Unknown):
        await accounts.set_password("nobody", "5678")


async def test_a_hash_of_other_parameters_is_renewed_at_log_in(accounts: Accounts, database: str, sql: Sql) -> None:
    def stored() -> str:
        return str(sql.execute("SELECT password_hash FROM auth.account WHERE username = 'jo'").fetchone())

    before = stored()
    async with opened(database, hasher=cheap(time_cost=2)) as dearer:
        with pytest.raises(Invalid):
            await dearer.log_in("jo", "wrong", address=HERE)
        assert stored() == before
        await dearer.log_in("jo", "1234", address=HERE)
        renewed = stored()
        assert "t=2" in renewed
        await dearer.log_in("jo", "1234", address=HERE)
        assert stored() == renewed


async def test_an_inactive_account_cannot_log_in(accounts: Accounts, sql: Sql) -> None:
    sql.execute("UPDATE auth.account SET is_active = false")
    with pytest.raises(Invalid, match="Unable to log in"):
        await accounts.log_in("jo", "1234", address=HERE)


async def test_users_are_listed_by_name_without_their_hashes(accounts: Accounts) -> None:
    users = await accounts.list_users()
    assert [(user.username, user.is_admin, user.is_active) for user in users] == [
        ("jo", False, True),
        ("root", True, True),
    ]
    assert "argon2" not in repr(users)
    assert await accounts.user(" root ") == users[1]
    with pytest.raises(Unknown, match="user"):
        await accounts.user("nobody")


async def test_what_a_user_may_is_changed_at_once_for_every_token_and_nothing_else_with_it(accounts: Accounts) -> None:
    issued = await accounts.log_in("jo", "1234", address=HERE)
    root = await accounts.user("root")
    await accounts.change_user("jo", is_admin=True)
    assert "admin" in (await accounts.log_in("jo", "1234", address=HERE)).scopes
    await accounts.change_user("jo", is_active=False)
    assert await scopes_of(accounts, issued.token) is None
    found = await accounts.user("jo")
    assert (found.is_admin, found.is_active) == (True, False)
    await accounts.change_user("jo", is_admin=False, is_active=True)
    assert await scopes_of(accounts, issued.token) == {"read", "write"}
    assert await accounts.user("root") == root
    with pytest.raises(Unknown, match="user"):
        await accounts.change_user("nobody", is_active=True)


async def test_a_log_in_that_needs_more_than_the_user_may_leaves_no_token(accounts: Accounts) -> None:
    for _ in range(20):  # the password is right, so no attempt is used up
        with pytest.raises(Forbidden):
            await accounts.log_in("jo", "1234", address=HERE, needs="admin")
    assert await accounts.list_tokens() == []
    await accounts.log_in("root", "1234", address=HERE, needs="admin", label="page")
    assert [row.label for row in await accounts.list_tokens()] == ["page"]


# tokens


async def test_only_the_hash_of_a_token_is_stored(accounts: Accounts, sql: Sql) -> None:
    issued = await accounts.log_in("jo", "1234", address=HERE)
    assert len(issued.token) == 43
    (row,) = sql.execute("SELECT * FROM auth.token").fetchall()
    assert sha256(issued.token.encode()).digest() in row
    assert issued.token not in repr(row)
    (shown,) = await accounts.list_tokens("jo")
    assert issued.token not in repr(shown)
    assert repr(token_hash(issued.token)) not in repr(shown)


async def test_each_log_in_makes_a_token_and_earlier_ones_stay_valid(accounts: Accounts) -> None:
    issued = [await accounts.log_in("jo", "1234", address=HERE) for _ in range(3)]
    assert len({each.token for each in issued}) == 3
    assert [await scopes_of(accounts, each.token) for each in issued] == [{"read", "write"}] * 3


async def test_a_token_expires_by_the_clock_of_the_database(accounts: Accounts, sql: Sql) -> None:
    issued = await accounts.issue_token("jo", ttl=3600)
    row = sql.execute("SELECT %s - now()", (issued.expires_at,)).fetchone()
    assert row is not None
    assert 3590 < row[0].total_seconds() <= 3600
    assert await scopes_of(accounts, issued.token) == {"read", "write"}
    sql.execute("UPDATE auth.token SET expires_at = clock_timestamp()")
    assert await scopes_of(accounts, issued.token) is None


@pytest.mark.parametrize("ttl", [0, -1, float("nan")])
async def test_a_token_lives_for_some_time(accounts: Accounts, ttl: float) -> None:
    with pytest.raises(Invalid, match="ttl"):
        await accounts.issue_token("jo", ttl=ttl)


async def test_a_ttl_without_end_is_a_century(accounts: Accounts) -> None:
    issued = await accounts.issue_token("jo", ttl=float("inf"))
    assert issued.expires_at is not None
    assert await scopes_of(accounts, issued.token)


async def test_a_token_is_revoked_at_once(accounts: Accounts) -> None:
    kept, by_hash, by_id = [await accounts.issue_token("jo", label=label) for label in ("kept", "by hash", "by id")]
    await accounts.revoke(token_hash(by_hash.token))
    await accounts.revoke(token_hash(by_hash.token))
    (token_id,) = [row.token_id for row in await accounts.list_tokens() if row.label == "by id"]
    await accounts.revoke_by_id(token_id)
    assert [await scopes_of(accounts, each.token) for each in (by_hash, by_id)] == [None, None]
    assert await scopes_of(accounts, kept.token)
    with pytest.raises(Unknown):
        await accounts.revoke_by_id(token_id)


async def test_a_token_opens_what_both_it_and_its_account_may(accounts: Accounts, sql: Sql) -> None:
    narrow = await accounts.issue_token("root", ["admin", "read"])
    assert narrow.scopes == ["read", "admin"]
    wide = await accounts.issue_token("root")
    assert await scopes_of(accounts, wide.token) == {"read", "write", "admin"}
    sql.execute("UPDATE auth.account SET is_admin = false")
    assert await scopes_of(accounts, wide.token) == {"read", "write"}
    assert await scopes_of(accounts, narrow.token) == {"read"}
    sql.execute("UPDATE auth.account SET is_active = false")
    assert await scopes_of(accounts, wide.token) is None


@pytest.mark.parametrize("scopes", [[], ["admin"], ["read", "fly"]])
async def test_a_token_is_issued_for_no_scope_beyond_the_account(accounts: Accounts, scopes: list[str]) -> None:
    with pytest.raises(Invalid, match="read, write"):
        await accounts.issue_token("jo", scopes)


async def test_no_token_is_issued_for_who_is_not_there(accounts: Accounts, sql: Sql) -> None:
    sql.execute("UPDATE auth.account SET is_active = false WHERE username = 'jo'")
    for username in ("jo", "nobody"):
        with pytest.raises(Unknown, match="No such active user"):
            await accounts.issue_token(username)


# roles and faults


async def test_the_reader_looks_tokens_up_and_no_more(accounts: Accounts, database: str) -> None:
    issued = await accounts.issue_token("root")
    async with opened(database, "read") as reading:
        assert await scopes_of(reading, issued.token) == {"read", "write", "admin"}
        assert await reading.look_up(bytes(32)) is None
        assert len(await reading.list_tokens()) == 1
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            await reading.log_in("jo", "1234", address=HERE)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            await reading.revoke(token_hash(issued.token))


async def test_a_database_that_does_not_answer_is_unavailable(accounts: Accounts) -> None:
    await accounts._pool.close()
    with pytest.raises(Unavailable):
        await accounts.look_up(bytes(32))
    with pytest.raises(Unavailable):
        await accounts.log_in("jo", "1234", address=HERE)


# many at once


async def test_a_token_that_was_revoked_is_refused_to_the_next_who_asks_however_many_others_ask(
    accounts: Accounts,
) -> None:
    kept, *revoked = [token_hash((await accounts.issue_token("jo")).token) for _ in range(9)]
    over = asyncio.Event()

    async def others() -> None:
        while not over.is_set():
            await asyncio.gather(*map(accounts.look_up, revoked))
            assert await accounts.look_up(kept) is not None

    crowd = [asyncio.create_task(others()) for _ in range(8)]
    for hashed in revoked:
        assert await accounts.look_up(hashed) is not None
        await accounts.revoke(hashed)
        assert await accounts.look_up(hashed) is None
    over.set()
    await asyncio.gather(*crowd)


async def test_tokens_that_are_shown_at_the_same_moment_are_looked_up_together_and_each_is_its_own(
    accounts: Accounts, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ["jo", "root"] * 10
    tokens = [(await accounts.issue_token(name)).token for name in names]
    asked: list[Any] = []
    ask = asking.ask

    async def counted(*args: Any, **kwargs: Any) -> Any:
        asked.append(args)
        return await ask(*args, **kwargs)

    monkeypatch.setattr(asking, "ask", counted)
    found = await asyncio.gather(*(accounts.look_up(token_hash(token)) for token in [*tokens, "unknown"]))
    assert [one and one.username for one in found] == [*names, None]
    assert ["admin" in one.scopes for one in found if one] == [name == "root" for name in names]
    assert len(asked) == 1
