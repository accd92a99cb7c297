"""Where the embedded server can live in a test, and whose programs it runs."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from db.pool import Dsns
from tests.conftest import Clone
from tests.integration.filling import correct, fill
from tests.integration.owners import DEBIAN_15


@pytest.fixture
def home() -> Iterator[Path]:
    """A directory that everyone may enter, unlike tmp_path."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name) / "data"


@pytest.fixture(params=["wheel", "debian-15"])
def bin_dir(request: pytest.FixtureRequest) -> Path | None:
    if request.param == "wheel":
        return None
    if not DEBIAN_15.exists():
        pytest.skip("no PostgreSQL 15 here")
    return DEBIAN_15


@pytest.fixture(scope="session")
def filled(clone: Clone) -> Iterator[str]:
    """The conninfo of a database with 100,000 entities, for whoever only reads."""
    with clone(fill) as conninfo:
        yield conninfo


@pytest.fixture(scope="module")
def corrected(clone: Clone) -> Iterator[psycopg.Connection[Any]]:
    """A reader's connection to 100,000 entities of which every row has superseded one."""
    with clone(fill) as conninfo:
        correct(conninfo)
        with psycopg.connect(Dsns(conninfo).of("read"), autocommit=True) as connection:
            yield connection
