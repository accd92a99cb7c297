"""`cockpit user` and `cockpit token`, on a real database."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from hashlib import sha256

import pytest
import typer
from argon2 import PasswordHasher
from typer.testing import CliRunner, Result

from cockpit import accounts_cli
from cockpit.accounts_cli import OpenAccounts
from db.accounts import Accounts
from db.pool import Dsns, make_pool
from shared.http.auth import Principal, token_hash

Run = Callable[..., Result]


@pytest.fixture
def open_accounts(database: str) -> OpenAccounts:
    @asynccontextmanager
    async def opened() -> AsyncIterator[Accounts]:
        async with make_pool(Dsns(database).of("write"), 2) as pool:
            yield Accounts(pool, hasher=PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))

    return opened


@pytest.fixture
def run(open_accounts: OpenAccounts) -> Run:
    main = typer.Typer()
    main.add_typer(accounts_cli.user, name="user")
    main.add_typer(accounts_cli.token, name="token")

    def invoke(*arguments: str, typed: str = "") -> Result:
        return CliRunner().invoke(main, list(arguments), obj=open_accounts, input=typed)

    return invoke


def test_it_makes_users_and_tokens(run: Run, open_accounts: OpenAccounts) -> None:
    created = run("user", "create", "jo", typed="1234\n1234\n")
    assert created.exit_code == 0
    assert "1234" not in created.output
    assert run("user", "create", "root", "--admin", "--password-stdin", typed="x\n").exit_code == 0
    assert run("user", "password", "jo", "--password-stdin", typed="5678\n").exit_code == 0
    made = run("token", "create", "root", "--scope", "read", "--scope", "admin", "--ttl", "60")
    token = made.stdout.removesuffix("\n")
    assert re.fullmatch(r"[\w-]{43}", token)

    async def use() -> Principal | None:
        async with open_accounts() as accounts:
            await accounts.log_in("jo", "5678", address="")
            return await accounts.look_up(token_hash(token))

    principal = asyncio.run(use())
    assert principal is not None
    assert (principal.username, principal.scopes) == ("root", frozenset({"read", "admin"}))


def test_a_password_is_typed_twice_alike(run: Run) -> None:
    assert run("user", "create", "jo", typed="1234\n1235\n").exit_code == 1
    assert run("token", "create", "jo").exit_code == 1


def test_it_lists_and_revokes_without_showing_secrets(run: Run) -> None:
    run("user", "create", "jo", "--password-stdin", typed="1234\n")
    token = run("token", "create", "jo", "--label", "[b]").stdout.strip()
    listed = run("token", "list", "jo").stdout
    assert token not in listed
    assert sha256(token.encode()).hexdigest() not in listed
    assert "[b]" in listed
    (found,) = re.findall(r"[0-9a-f]{8}-[0-9a-f-]{27}", listed)
    assert run("token", "revoke", found).exit_code == 0
    assert found not in run("token", "list").stdout


def test_a_list_is_a_line_a_token_with_nothing_cut_however_narrow_the_terminal(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    run("user", "create", "somebody.with.a.name", "--password-stdin", typed="1234\n")
    run("token", "create", "somebody.with.a.name", "--label", "the laptop on the desk", "--ttl", "60")
    heading, line = run("token", "list", "somebody.with.a.name").stdout.splitlines()
    assert re.fullmatch(r"id +user +label +scopes +created +expires *", heading)
    instant = r"\d{4}-\d\d-\d\dT[\d:.]+Z"
    assert re.fullmatch(
        rf"[0-9a-f-]{{36}}  somebody\.with\.a\.name  the laptop on the desk  read, write  {instant}  {instant} *", line
    )


@pytest.mark.parametrize(
    ("arguments", "typed"),
    [
        ("user create jo --password-stdin", "1234\n"),
        ("user create new --password-stdin", "\n"),
        ("user password nobody --password-stdin", "1234\n"),
        ("token create nobody", ""),
        ("token create jo --scope admin", ""),
        ("token create jo --ttl 0", ""),
        ("token revoke 0b9bf3a2-51b1-4b0b-a57c-1d2ee2a4f0b1", ""),
    ],
)
def test_an_error_is_one_line(run: Run, arguments: str, typed: str) -> None:
    run("user", "create", "jo", "--password-stdin", typed="1234\n")
    result = run(*arguments.split(), typed=typed)
    assert result.exit_code == 1
    assert result.stdout == ""
    assert re.fullmatch(r"Error: [^\n]+\n", result.stderr)
