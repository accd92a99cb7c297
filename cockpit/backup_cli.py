"""`cockpit backup` and `cockpit restore`: the embedded database into one file, and a service out of it again."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from db.backup import backup, restored
from db.connect import DATABASE, database, prepare
from projector.catch_up import catch_up
from projector.verify import BrokenLog, BrokenObject, Different, verify
from shared.core.errors import CockpitError
from shared.settings import Settings

MIB = 1024 * 1024
console = Console(stderr=True)


class NotEmbedded(CockpitError):
    """The settings name a database of your own: docs/backup.md says how to back it up and restore it."""


def backup_command(
    destination: Annotated[Path, typer.Argument(help="The file to write, as in cockpit.tar.gz; not there yet.")],
) -> None:
    """Copy the embedded database into one file, consistent, also while the service runs. The file is secret."""
    settings = _embedded()
    with database(settings) as found, console.status("Backing up") as status:
        size = backup(
            found.conninfo,
            destination,
            lambda done, of: status.update(f"Backing up: {done // MIB} of about {max(done, of) // MIB} MiB"),
        )
    typer.echo(f"Backed up to {destination}: {size / MIB:.1f} MiB.")


def restore_command(
    file: Annotated[Path, typer.Argument(help="What `cockpit backup` wrote.", readable=False)],
) -> None:
    """Make an empty data directory what a backup holds, up to date, and verify it; exit 1 where that finds a fault."""
    settings = _embedded()
    fault: CockpitError | None = None
    with console.status("Unpacking and checking") as status, restored(file, settings.data_dir) as server:
        project = prepare(server.dsn(DATABASE), settings).of("project")
        status.update("Folding the log")
        asyncio.run(catch_up(project))
        status.update("Verifying")
        try:
            told = str(verify(project))
        except (BrokenLog, BrokenObject, Different) as error:
            told, fault = "It is not clean.", error  # as it was when it was backed up, and perhaps all there is
    typer.echo(f"Restored into {settings.data_dir}. {told}")
    if fault is not None:
        raise fault


def _embedded() -> Settings:
    """Return the settings, of an embedded database; from here on SIGTERM leaves as little behind as Ctrl-C."""
    settings = Settings()
    if settings.database_url is not None or settings.side_urls:
        raise NotEmbedded
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    return settings
