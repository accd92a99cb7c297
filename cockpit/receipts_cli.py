"""`cockpit tidy`: what was answered long ago need not be kept for whoever might repeat the request."""

from __future__ import annotations

from typing import Annotated

import psycopg
import typer
from rich.console import Console

from db.connect import database, prepare
from db.queries import statement
from shared.settings import Settings

PORTION = 5000
"""How many go in one transaction: a writer may wait for one of them."""

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
        forgotten, portion = 0, PORTION
        while portion == PORTION:
            parameters = {"days": days, "most": PORTION}
            ((portion,),) = connection.execute(statement("write/forget_receipts"), parameters).fetchall()
            forgotten += portion
    out.print(f"Forgotten: {forgotten} receipts older than {days} days.")
