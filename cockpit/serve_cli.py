"""`cockpit serve` and `cockpit api`: the service, whole or its API alone."""

from __future__ import annotations

import os
import sys
from typing import Annotated, Literal

import typer

from cockpit.running import run, start_projector
from cockpit.serve import bind, load_samples, start_api
from db.connect import database, prepare
from shared.settings import Settings


def serve(
    *, reload: Annotated[bool, typer.Option("--reload", help="Start anew when a source file is saved.")] = False
) -> None:
    """Run everything in one process: database (unless you have your own), projector, API. Ctrl-C stops it."""
    if reload:
        os.execv(sys.executable, [sys.executable, "-m", "cockpit.reload"])  # noqa: S606  # no shell is the point
    settings = Settings()
    with bind(settings) as listening, database(settings, create=True, join=False) as found:
        samples = () if settings.environment == "production" else (load_samples,)
        run(settings, prepare(found.conninfo, settings), found, *samples, start_projector, start_api("both", listening))


def api(
    side: Annotated[Literal["write", "read", "both"], typer.Option(help="Which half of the API to serve.")] = "both",
) -> None:
    """Run the API alone; a projector runs elsewhere."""
    settings = Settings()
    with bind(settings) as listening, database(settings, create=True) as found:
        run(settings, prepare(found.conninfo, settings), found, start_api(side, listening))
