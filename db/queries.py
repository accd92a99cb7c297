"""The SQL of the service, one statement a file under `sql/`, loaded once by name."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import LiteralString

SQL = Path(__file__).parent / "sql"


@cache
def statement(name: str) -> LiteralString:
    """Return the statement in `sql/<name>.sql`; its parameters are written `%(name)s`."""
    return (SQL / f"{name}.sql").read_text(encoding="utf-8")
