"""`cockpit fixtures`: the sample data from the command line."""

from __future__ import annotations

import asyncio

import typer
from rich.console import Console

from cockpit.fixtures import NotForSamples, has_own_users, load
from cockpit.services import writers
from db.connect import database, prepare
from shared.settings import Settings

REFUSED = "Sample data, with its well-known passwords, is not for production."
console = Console(stderr=True)
out = Console()


def fixtures() -> None:
    """Load the sample data; what is there stays as it is. Refused in production and beside users of your own."""
    settings = Settings()
    if settings.environment == "production":
        console.print(REFUSED, style="red", highlight=False, soft_wrap=True, markup=False)
        raise typer.Exit(1)

    async def load_into(conninfo: str) -> int:
        async with writers(prepare(conninfo, settings), settings) as writing:
            if await has_own_users(writing.accounts):
                raise NotForSamples
            return await load(writing.handler, writing.accounts)

    with database(settings, create=True) as found:
        appended = asyncio.run(load_into(found.conninfo))
    out.print(f"{appended} events appended.")
