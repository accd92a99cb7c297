"""`cockpit verify`: the read model held against the log, and the log against itself."""

from __future__ import annotations

from rich.console import Console

from db.connect import database, look
from projector.verify import verify
from shared.settings import Settings

console = Console(stderr=True)
out = Console(soft_wrap=True)


def verify_command() -> None:
    """Compare the read model with a fresh fold of the log, and the log with its chain; exit 1 where they differ."""
    settings = Settings()
    with database(settings) as found, console.status("Folding the log"):
        right = verify(look(found.conninfo, settings).of("project"))
    out.print(str(right))
