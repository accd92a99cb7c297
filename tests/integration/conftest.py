"""Where the embedded server can live in a test, and whose programs it runs."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import Clone
from tests.integration.filling import fill
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
