"""Rules of accounts that need no database."""

from __future__ import annotations

import asyncio
import threading
from time import sleep

import pytest
from argon2 import PasswordHasher
from fastapi import FastAPI

from db.accounts import IssuedToken, allowed_scopes
from db.login_limiter import LoginLimiter
from db.passwords import HASHES_AT_ONCE, Passwords, check_password
from shared.core.errors import Invalid
from shared.http import openapi
from write_side.api import auth

CHEAP = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


def test_checking_nobodys_password_costs_what_todays_hashes_cost() -> None:
    for hasher in (CHEAP, PasswordHasher()):
        assert not hasher.check_needs_rehash(Passwords(hasher).nobodys)


@pytest.mark.parametrize("password", ["", "0", "\0", "\ud800", "x" * 5000])
def test_no_password_is_nobodys(password: str) -> None:
    passwords = Passwords(CHEAP)
    assert not asyncio.run(passwords.verify(passwords.nobodys, password))


@pytest.mark.parametrize("stored", ["", "!", "$argon2id$", "$argon2id$v=19$m=8,t=1,p=1$AAAA$"])
def test_what_is_no_hash_opens_nothing(stored: str) -> None:
    assert not asyncio.run(Passwords(CHEAP).verify(stored, ""))


@pytest.mark.parametrize("password", [" 1234 ", "\0", "\ud800", "päßwörd"])
def test_a_password_is_taken_as_it_is(password: str) -> None:
    async def round_trip() -> None:
        passwords = Passwords(CHEAP)
        stored = await passwords.hash(password)
        assert await passwords.verify(stored, password)
        assert not await passwords.verify(stored, password.strip() + "?")

    asyncio.run(round_trip())


@pytest.mark.parametrize("password", ["", "x" * 4097])
def test_a_password_to_set_has_1_to_4096_characters(password: str) -> None:
    with pytest.raises(Invalid, match="password"):
        check_password(password)


def test_only_a_few_hashes_are_made_at_once() -> None:
    class Watched(PasswordHasher):
        running = most = 0
        lock = threading.Lock()

        def hash(self, password: str | bytes, *, salt: bytes | None = None) -> str:  # noqa: ARG002
            with self.lock:
                Watched.running += 1
                Watched.most = max(Watched.most, Watched.running)
            sleep(0.005)
            with self.lock:
                Watched.running -= 1
            return ""

    async def flood() -> None:
        passwords = Passwords(Watched())
        await asyncio.gather(*(passwords.hash("x") for _ in range(40)))

    asyncio.run(flood())
    assert 1 <= Watched.most <= HASHES_AT_ONCE


def test_only_an_admin_may_do_what_needs_admin() -> None:
    assert allowed_scopes(is_admin=False) == ["read", "write"]
    assert allowed_scopes(is_admin=True) == ["read", "write", "admin"]


def test_a_token_does_not_get_into_a_log_by_its_representation() -> None:
    assert "secret" not in repr(IssuedToken("secret", None, ["read"]))


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("203.0.113.7", "203.0.113.7", True),
        ("203.0.113.7", "203.0.113.8", False),
        ("203.0.113.7", "::ffff:203.0.113.7", True),
        ("2001:db8::1", "2001:db8::ffff:1", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("testclient", "", False),
    ],
)
def test_an_address_counts_with_all_that_its_owner_has(one: str, other: str, *, same: bool) -> None:
    limiter = LoginLimiter(10)
    first, second = limiter.buckets("jo", one), limiter.buckets("jo", other)
    assert (first == second) is same
    assert (first[1] == second[1]) is same


def test_users_of_one_address_share_its_bucket_alone() -> None:
    limiter = LoginLimiter(10)
    one, other = limiter.buckets("jo", "203.0.113.7"), limiter.buckets("max", "203.0.113.7")
    assert one[0] != other[0]
    assert one[1] == other[1]


def test_the_document_names_all_bodies_that_are_taken() -> None:
    app = FastAPI()
    app.include_router(auth.router, prefix="/api/v1")
    openapi.document(app)
    path = app.openapi()["paths"]["/api/v1/auth/token"]
    assert set(path) == {"post", "delete"}
    assert set(path["post"]["requestBody"]["content"]) == {
        "application/json",
        "application/x-www-form-urlencoded",
        "multipart/form-data",
    }
    assert "security" not in path["post"]
    assert {} not in path["delete"]["security"]
