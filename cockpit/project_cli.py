"""`cockpit project`: the projector in a process of its own, which loads nothing of the API."""

from __future__ import annotations

from cockpit.running import run, start_projector
from db.connect import database, prepare
from shared.settings import Settings


def project() -> None:
    """Run the projector alone; of several one leads, the others wait."""
    settings = Settings()
    with database(settings, create=True) as found:
        run(settings, prepare(found.conninfo, settings), found, start_projector)
