"""`cockpit serve`, `cockpit api` and `cockpit project`: the service, whole or in parts."""

from __future__ import annotations

import os
import sys
from typing import Annotated, Literal

import typer

from cockpit.serve import Parts, bind, run
from db.connect import database, prepare
from shared.settings import Settings


def serve(
    *, reload: Annotated[bool, typer.Option("--reload", help="Start anew when a source file is saved.")] = False
) -> None:
    """Run everything in one process: database (unless you have your own), projector, API. Ctrl-C stops it."""
    if reload:
        os.execv(sys.executable, [sys.executable, "-m", "cockpit.reload"])  # noqa: S606  # no shell is the point
    settings = Settings()
    with bind(settings) as listening, database(settings, join=False) as found:
        dsns = prepare(found.conninfo, settings)
        fixtures = settings.environment != "production"
        run(settings, dsns, Parts(api="both", projector=True, fixtures=fixtures), on=listening, database=found)


def api(
    side: Annotated[Literal["write", "read", "both"], typer.Option(help="Which half of the API to serve.")] = "both",
) -> None:
    """Run the API alone; a projector runs elsewhere."""
    settings = Settings()
    with bind(settings) as listening, database(settings) as found:
        run(settings, prepare(found.conninfo, settings), Parts(api=side), on=listening, database=found)


def project() -> None:
    """Run the projector alone; of several one leads, the others wait."""
    settings = Settings()
    with database(settings) as found:
        run(settings, prepare(found.conninfo, settings), Parts(projector=True), on=None, database=found)
