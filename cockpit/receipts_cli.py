"""`cockpit tidy`: what was answered long ago need not be kept for whoever might repeat the request."""

from __future__ import annotations

from typing import Annotated

import psycopg
import typer
from rich.console import Console

from db.connect import database, prepare
from db.queries import statement
from shared.settings import Settings

out = Console(soft_wrap=True, highlight=False)


def tidy(
    days: Annotated[int, typer.Option("--older-than", min=1, max=36500, help="How many days they are kept.")] = 90,
) -> None:
    """Forget the receipts of requests older than some days: one that is repeated after that is a new one."""
    settings = Settings()
    with (
        database(settings) as found,
        psycopg.connect(prepare(found.conninfo, settings).of("write"), autocommit=True) as connection,
    ):
        connection.execute("SET statement_timeout = 0")  # there may be years of them
        row = connection.execute(statement("write/forget_receipts"), {"days": days}).fetchone()
    out.print(f"Forgotten: {row[0] if row else 0} receipts older than {days} days.")
