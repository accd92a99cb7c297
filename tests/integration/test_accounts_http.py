"""`/auth/token` over HTTP, on a real database."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx2
import psycopg
import pytest
from argon2 import PasswordHasher
from fastapi import FastAPI

from db.accounts import Accounts
from db.pool import Dsns, make_pool
from shared.http import problem
from shared.http.auth import token_hash
from shared.http.forms import URLENCODED
from write_side.api import auth

pytestmark = pytest.mark.anyio
URL = "/api/v1/auth/token"
JO = {"username": "jo", "password": "1234"}


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def accounts(database: str) -> AsyncIterator[Accounts]:
    async with make_pool(Dsns(database).of("write"), 4) as pool:
        it = Accounts(pool, hasher=PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
        await it.create_user("jo", "1234", is_admin=False)
        await it.create_user("root", "1234", is_admin=True)
        yield it


@pytest.fixture
def sql(database: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(database, autocommit=True) as connection:
        yield connection


@pytest.fixture
def app(accounts: Accounts) -> FastAPI:
    app = FastAPI()
    app.include_router(auth.router, prefix="/api/v1")
    problem.install(app)
    app.state.accounts = accounts
    app.state.authenticate = accounts.look_up
    app.state.token_ttl = None
    app.state.public_reads = True
    app.state.max_body_bytes = 100_000
    return app


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx2.AsyncClient]:
    transport = httpx2.ASGITransport(app, client=("203.0.113.7", 1234))
    async with httpx2.AsyncClient(transport=transport, base_url="http://cockpit") as it:
        yield it


async def test_a_password_is_exchanged_for_a_token(client: httpx2.AsyncClient, accounts: Accounts) -> None:
    for body, scopes in ((JO, ["read", "write"]), ({**JO, "username": "root"}, ["read", "write", "admin"])):
        answer = await client.post(URL, json=body)
        assert answer.status_code == 200
        assert answer.json() == {"token": answer.json()["token"], "expires_at": None, "scopes": scopes}
        principal = await accounts.look_up(token_hash(answer.json()["token"]))
        assert principal is not None
        assert (principal.username, principal.scopes) == (body["username"], frozenset(scopes))


async def test_a_ttl_shows_as_the_instant_of_expiry(app: FastAPI, client: httpx2.AsyncClient) -> None:
    app.state.token_ttl = 3600.0
    answer = await client.post(URL, json=JO)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?Z", answer.json()["expires_at"])


async def test_forms_are_taken_here(client: httpx2.AsyncClient) -> None:
    assert (await client.post(URL, data=JO)).status_code == 200
    parts: dict[str, Any] = {name: (None, value) for name, value in JO.items()}
    assert (await client.post(URL, files=parts)).status_code == 200


async def test_a_password_keeps_its_spaces_and_a_username_does_not(
    client: httpx2.AsyncClient, accounts: Accounts
) -> None:
    await accounts.set_password("jo", " 1234 ")
    spaced = {"username": " jo ", "password": " 1234 "}
    assert (await client.post(URL, json=spaced)).status_code == 200
    assert (await client.post(URL, data=spaced)).status_code == 200
    assert (await client.post(URL, json=JO)).status_code == 400


async def test_unknown_wrong_and_inactive_are_answered_alike(
    client: httpx2.AsyncClient, sql: psycopg.Connection[Any]
) -> None:
    sql.execute("UPDATE auth.account SET is_active = false WHERE username = 'root'")
    answers = [
        await client.post(URL, json={"username": username, "password": password})
        for username, password in (("jo", "wrong"), ("nobody", "1234"), ("root", "1234"), ("a\0b", "1234"))
    ]
    assert {answer.status_code for answer in answers} == {400}
    assert answers[0].json()["non_field_errors"] == ["Unable to log in with provided credentials."]
    assert answers[0].json()["errors"][0]["code"] == "authorization"
    assert len({answer.text for answer in answers}) == 1


async def test_missing_fields_are_named(client: httpx2.AsyncClient) -> None:
    required = ["This field is required."]
    form = {"content-type": URLENCODED}
    for answer in (
        await client.post(URL, json={}),
        await client.post(URL, content=b"", headers=form),
        await client.post(URL),
    ):
        assert answer.status_code == 400
        assert (answer.json()["username"], answer.json()["password"]) == (required, required)
    blank = await client.post(URL, data={"username": " ", "password": ""})
    assert blank.json()["username"] == blank.json()["password"] == ["This field may not be blank."]


async def test_unknown_and_repeated_fields_are_refused(client: httpx2.AsyncClient) -> None:
    assert (await client.post(URL, json={**JO, "totp": "1"})).json()["totp"] == ["Unknown field."]
    twice = b"username=jo&username=root&password=1234"
    answer = await client.post(URL, content=twice, headers={"content-type": URLENCODED})
    assert answer.status_code == 400
    assert answer.json()["username"] == ["Given more than once."]


@pytest.mark.parametrize("kind", ["text/plain", "application/xml", ""])
async def test_other_content_types_are_415(client: httpx2.AsyncClient, kind: str) -> None:
    assert (await client.post(URL, content=b"{}", headers={"content-type": kind})).status_code == 415


PART = b'--x\r\nContent-Disposition: form-data; name="username"'


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("application/json", b'{"username": "\\u0000", "password": "\\u0000"}'),
        ("application/json", b'{"username": "\\ud800", "password": "\\udfff"}'),
        ("application/json", b'{"username": "jo", "password": "' + b"x" * 5000 + b'"}'),
        ("application/json", b'{"username": "' + b"x" * 50_000 + b'", "password": "x"}'),
        ("application/json", b'{"username": 1, "password": ["x"]}'),
        ("application/json", b"["),
        ("application/json", b"null"),
        ("application/json", b"\xff"),
        (URLENCODED, b"username=%00&password=%00"),
        (URLENCODED, b"username=%ed%a0%80&password=%ff"),
        (URLENCODED, b"username=jo&password=\xff"),
        (URLENCODED, b"username=jo&password=" + b"x" * 5000),
        (URLENCODED, b"&".join(b"a%d=" % n for n in range(50))),
        (auth.MULTIPART, b"x"),
        (auth.MULTIPART + "; boundary=x", b"x"),
        (auth.MULTIPART + "; boundary=x", PART + b"\r\n\r\njo"),
        (auth.MULTIPART + "; boundary=x", PART + b'; filename="p"\r\n\r\njo\r\n--x--\r\n'),
        *(
            (f"{auth.MULTIPART}; boundary=x; charset={charset}", PART + b"\r\n\r\n+2AA-\r\n--x--\r\n")
            for charset in ("undefined", "idna", "utf-7", "zip", "no-such", "a\0b")
        ),
    ],
)
async def test_nothing_that_is_sent_is_a_fault(client: httpx2.AsyncClient, kind: str, body: bytes) -> None:
    assert (await client.post(URL, content=body, headers={"content-type": kind})).status_code == 400


async def test_surrogates_smuggled_in_by_a_charset_are_no_fault(client: httpx2.AsyncClient) -> None:
    body = PART + b'\r\n\r\n+2AA-\r\n--x\r\nContent-Disposition: form-data; name="password"\r\n\r\n+2AA-\r\n--x--\r\n'
    answer = await client.post(
        URL, content=body, headers={"content-type": f"{auth.MULTIPART}; boundary=x; charset=utf-7"}
    )
    assert answer.status_code == 400


async def test_too_large_a_body_is_413(client: httpx2.AsyncClient) -> None:
    for kind in (URLENCODED, auth.MULTIPART, "application/json"):
        answer = await client.post(URL, content=b"x" * 100_001, headers={"content-type": kind})
        assert answer.status_code == 413


async def test_repeated_failures_are_429_until_time_has_passed(
    client: httpx2.AsyncClient, sql: psycopg.Connection[Any]
) -> None:
    statuses = [(await client.post(URL, json={**JO, "password": "x"})).status_code for _ in range(12)]
    assert statuses == [400] * 10 + [429] * 2
    refused = await client.post(URL, json=JO)
    assert refused.status_code == 429
    assert 28 <= int(refused.headers["retry-after"]) <= 30
    sql.execute("UPDATE auth.login_bucket SET refilled_at = refilled_at - interval '30 s'")
    assert (await client.post(URL, json=JO)).status_code == 200


@pytest.mark.parametrize("scopes", [["read"], ["write"], None])
@pytest.mark.parametrize("scheme", ["Token", "bearer"])
async def test_any_valid_token_can_end_itself(
    client: httpx2.AsyncClient, accounts: Accounts, scheme: str, scopes: list[str] | None
) -> None:
    ended, other = [await accounts.issue_token("jo", scopes) for _ in range(2)]
    headers = {"authorization": f"{scheme} {ended.token}"}
    assert (await client.delete(URL, headers=headers)).status_code == 204
    assert (await client.delete(URL, headers=headers)).status_code == 401
    assert await accounts.look_up(token_hash(ended.token)) is None
    assert await accounts.look_up(token_hash(other.token)) is not None


async def test_without_a_valid_token_nothing_is_revoked(client: httpx2.AsyncClient) -> None:
    for headers in ({}, {"authorization": "Token wrong"}, {"authorization": "Token "}, {"authorization": "Basic x"}):
        answer = await client.delete(URL, headers=headers)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == "Token"
