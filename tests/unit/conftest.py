"""What the tests of the oracle share."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from tests.unit.logged import filled


@pytest.fixture
def connection(database: str) -> Iterator[psycopg.Connection[Any]]:
    """A database whose log has a history, and whose tables hold what the oracle expects of it."""
    with filled(database) as connection:
        yield connection
