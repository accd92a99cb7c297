"""Services for the acceptance tests: one for each worker where tests keep to entities of their own, else one each."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from tests.acceptance.processes import cockpit
from tests.acceptance.service import Service, Start, serving
from tests.conftest import Clone


@pytest.fixture(scope="session")
def shared_service(clone: Clone, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """The service of this worker; tests ask for `service`."""
    with clone() as conninfo, serving(tmp_path_factory.mktemp("service"), conninfo) as running:
        yield running


@pytest.fixture(scope="module")
def service(shared_service: Service) -> Iterator[Service]:
    """A service with sample data, shared: tests keep to their own entities, and leave the sample data as it is.

    When a module is done, the tables must equal the oracle's fold of the log.
    """
    yield shared_service
    shared_service.check()


@pytest.fixture(scope="module")
def start(clone: Clone, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Start]:
    """What starts a service of the module's own, with settings of its own; checked like the other at the end."""
    with ExitStack() as stack:
        started: list[Service] = []

        def start_one(**settings: str) -> Service:
            folder: Path = tmp_path_factory.mktemp("service")
            started.append(stack.enter_context(serving(folder, stack.enter_context(clone()), **settings)))
            return started[-1]

        yield start_one
        for running in started:
            running.check()


@pytest.fixture
def empty_database(server: str) -> Iterator[str]:
    """The conninfo of a database without a schema."""
    name = f"cockpit_empty_{os.getpid()}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
        yield make_conninfo(server, dbname=name)
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="session")
def sample_data() -> Iterator[Path]:
    """A data directory with the sample data, made once for each worker: nothing runs in it, tests take copies."""
    with TemporaryDirectory(prefix="cockpit-data-") as name:
        Path(name).chmod(0o755)
        made = cockpit("fixtures", folder=Path(name))
        assert made.returncode == 0, made.stderr
        yield Path(name) / "data"
