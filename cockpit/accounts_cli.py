"""`cockpit user …` and `cockpit token …`: accounts from the command line.

The database is the one that the settings name, unless `ctx.obj` is an `OpenAccounts`: a function that opens a pool of
the writer and yields Accounts while it is open.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from typing import Annotated, TypeVar
from uuid import UUID

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from db.accounts import Accounts, TokenRow
from db.connect import database, look, prepare
from db.pool import Dsns, make_pool
from shared.core.errors import CockpitError
from shared.http.instants import show
from shared.settings import Settings

Result = TypeVar("Result")
OpenAccounts = Callable[[], AbstractAsyncContextManager[Accounts]]
Ready = Callable[[str, Settings], Dsns]
FromStdin = Annotated[bool, typer.Option("--password-stdin", help="Read the password from the first line of stdin.")]

WIDE = 10_000
"""Columns of a list, whatever the terminal has: a line that goes on is read, an id that is cut is not."""

user = typer.Typer(help="Users: who may log in.", no_args_is_help=True)
token = typer.Typer(help="Tokens: what a program shows instead of a password.", no_args_is_help=True)


@user.command("create")
def create_user(
    ctx: typer.Context,
    username: str,
    *,
    admin: Annotated[bool, typer.Option("--admin", help="May change types, rebuild, skip parked events.")] = False,
    password_stdin: FromStdin = False,
) -> None:
    """Add a user; asks for the password, twice."""
    password = _read_password(from_stdin=password_stdin)
    _run(ctx, lambda accounts: accounts.create_user(username, password, is_admin=admin))


@user.command("password")
def set_password(ctx: typer.Context, username: str, *, password_stdin: FromStdin = False) -> None:
    """Replace a user's password; tokens stay valid (`cockpit token revoke` ends them)."""
    password = _read_password(from_stdin=password_stdin)
    _run(ctx, lambda accounts: accounts.set_password(username, password))


@token.command("create")
def create_token(
    ctx: typer.Context,
    username: str,
    scope: Annotated[
        list[str] | None, typer.Option(help="read, write or admin; again for more. [default: all]")
    ] = None,
    label: Annotated[str, typer.Option(help="What the token is for, for the list.")] = "",
    ttl: Annotated[float | None, typer.Option(help="Seconds until it expires. [default: never]")] = None,
) -> None:
    """Print a new token of a user; it cannot be shown again."""
    issued = _run(ctx, lambda accounts: accounts.issue_token(username, scope or None, label, ttl))
    typer.echo(issued.token)


@token.command("list")
def list_tokens(ctx: typer.Context, username: Annotated[str | None, typer.Argument()] = None) -> None:
    """List the tokens of a user, or of all."""
    rows = _run(ctx, lambda accounts: accounts.list_tokens(username), look)
    Console(width=WIDE).print(_table(rows))


@token.command("revoke")
def revoke_token(ctx: typer.Context, token_id: UUID) -> None:
    """End a token at once, by its id in the list."""
    _run(ctx, lambda accounts: accounts.revoke_by_id(token_id))


@asynccontextmanager
async def open_accounts(ready: Ready = prepare) -> AsyncIterator[Accounts]:
    """Yield the accounts of the database that the settings name."""
    settings = Settings()
    with database(settings) as found:
        async with make_pool(ready(found.conninfo, settings).of("write"), settings.pool_size) as pool:
            yield Accounts(pool)


def _run(ctx: typer.Context, work: Callable[[Accounts], Awaitable[Result]], ready: Ready = prepare) -> Result:
    """Return what the work returns; an error of the domain is one line on stderr and exit code 1."""
    opened: OpenAccounts = ctx.obj or partial(open_accounts, ready)

    async def run() -> Result:
        async with opened() as accounts:
            return await work(accounts)

    try:
        return asyncio.run(run())
    except CockpitError as error:
        typer.echo(f"Error: {error}", err=True)
        raise typer.Exit(1) from None


def _read_password(*, from_stdin: bool) -> str:
    if from_stdin:
        return typer.get_text_stream("stdin").readline().rstrip("\r\n")
    password: str = typer.prompt("Password", hide_input=True, confirmation_prompt=True)
    return password


def _table(rows: list[TokenRow]) -> Table:
    table = Table("id", "user", "label", "scopes", "created", "expires", box=None, padding=(0, 2, 0, 0), pad_edge=False)
    for row in rows:
        table.add_row(
            str(row.token_id),
            escape(row.username),
            escape(row.label),
            ", ".join(row.scopes),
            show(row.created_at),
            "never" if row.expires_at is None else show(row.expires_at),
        )
    return table
