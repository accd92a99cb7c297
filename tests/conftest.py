"""What every test can ask for: a real PostgreSQL, and a database of its own, cloned from a migrated template.

The server is the one that COCKPIT_TEST_DATABASE_URL names, else one in a container where Docker answers and the image
can be had, else the embedded one (with the programs in COCKPIT_TEST_PG_BIN, if that is set). It is started once, by the
process that steers the workers.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Any

import docker
import psycopg
import pytest
from hypothesis import HealthCheck, settings
from psycopg.conninfo import make_conninfo
from testcontainers.community.postgres import PostgresContainer

from db.embedded import DataDirectoryInUse, EmbeddedPostgres, own
from db.migrate import migrate
from db.roles import ensure_roles
from tests import oracle
from tests.fuzz_options import FUZZ, REPLAY, TIME
from tests.promises import Watch, is_whole, lists

# How long an example takes is the machine's affair, and no test is timed; on CI what Hypothesis has for it goes on.
settings.register_profile("untimed", settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")

# Hundreds of processes of ours are started: where the environment forbids bytecode, each compiles all of it anew.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

Clone = Callable[..., AbstractContextManager[str]]
Fill = Callable[[str], None]
SERVER = pytest.StashKey[str]()
TEMPLATE = pytest.StashKey[str]()
STACK = pytest.StashKey[ExitStack]()
IMAGE = os.environ.get("PG_IMAGE", "postgres:18")

UNSAFE = {
    "fsync": "off",
    "full_page_writes": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_connections": "200",
}
"""Nothing of this server needs to outlive a crash: tests that crash one start their own."""
MEMORY, PLENTY = Path("/dev/shm"), 8 * 1024**3  # noqa: S108  # a directory of our own is made in it
PREFIX = "cockpit-test-"


def _fast_folder() -> Path | None:
    """Return where files are kept in memory, if there is plenty of it; None where not.

    What a run that was killed has left there is cleared away: nobody owns it any more.
    """
    for left in MEMORY.glob(f"{PREFIX}*"):
        with suppress(DataDirectoryInUse, OSError), ExitStack() as held:
            own(left, held)
            shutil.rmtree(left)
    there = MEMORY.is_dir() and os.access(MEMORY, os.W_OK | os.X_OK) and shutil.disk_usage(MEMORY).free >= PLENTY
    return MEMORY if there else None


def _in_container(stack: ExitStack) -> str | None:
    """Start a container where Docker answers and the image is at hand; None where not."""
    host = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")
    if host.startswith("unix:") and not Path(host.removeprefix("unix://")).exists():
        return None  # to ask there would leave a socket open, which fails whatever test it is noticed in
    try:
        client = docker.from_env()
        stack.callback(client.close)
        if not client.images.list(IMAGE):
            client.images.pull(IMAGE)
    except docker.errors.DockerException:
        return None
    container = stack.enter_context(PostgresContainer(IMAGE, username="cockpit", dbname="postgres"))
    return str(container.get_connection_url(driver=None))


def _start_server(stack: ExitStack) -> str:
    given = os.environ.get("COCKPIT_TEST_DATABASE_URL")
    if given:
        return given
    contained = _in_container(stack)
    if contained:
        return contained
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix=PREFIX, dir=_fast_folder())))
    folder.chmod(0o755)
    programs = os.environ.get("COCKPIT_TEST_PG_BIN")
    server = EmbeddedPostgres(folder, bin_dir=Path(programs) if programs else None, settings=UNSAFE)
    return stack.enter_context(server).dsn("postgres")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let the command line say how hard to look."""
    parser.addoption("--fuzz-examples", type=int, default=FUZZ.examples, help="examples thrown at each operation")
    parser.addoption("--fuzz-seed", type=int, default=FUZZ.seed, help="the seed they are drawn with")
    parser.addoption("--time-histories", type=int, default=TIME.histories, help="histories time is checked with")
    parser.addoption(
        "--time-over-http", type=int, default=TIME.over_http, help="histories time is checked with over HTTP"
    )
    parser.addoption("--replay-events", type=int, default=REPLAY.events, help="events that are rebuilt under load")
    parser.addoption("--time-seed", type=int, default=TIME.seed, help="the seed they are drawn with")


def pytest_report_header(config: pytest.Config) -> str:
    """Print the seeds, so that what was found can be found again."""
    return (
        f"fuzz: {FUZZ.examples} examples an operation, seed {FUZZ.seed}\n"
        f"time: {TIME.histories} histories, {TIME.over_http} over HTTP, seed {TIME.seed}"
    )


def pytest_configure(config: pytest.Config) -> None:
    """Start the server once, and watch over the promises; the workers are told where the server is."""
    FUZZ.examples, FUZZ.seed = config.option.fuzz_examples, config.option.fuzz_seed
    TIME.histories, TIME.over_http = config.option.time_histories, config.option.time_over_http
    TIME.seed, REPLAY.events = config.option.time_seed, config.option.replay_events
    worker_input: dict[str, Any] | None = getattr(config, "workerinput", None)
    if worker_input is not None:
        config.stash[SERVER], config.stash[TEMPLATE] = worker_input["server"], worker_input["template"]
        return
    if config.option.collectonly or config.option.help:
        return
    config.pluginmanager.register(Watch(lists(), whole=is_whole(config)))
    stack = config.stash[STACK] = ExitStack()
    server = config.stash[SERVER] = _start_server(stack)
    name = config.stash[TEMPLATE] = f"cockpit_template_{os.getpid()}"
    stack.callback(_drop_filled, server, name)
    stack.enter_context(_created(server, name))
    template = make_conninfo(server, dbname=name)
    migrate(template)
    assert ensure_roles(template) is None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put what is slow first: a slow test that comes last keeps one worker busy while the others have none left."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


@pytest.hookimpl(wrapper=True)
def pytest_xdist_auto_num_workers() -> Generator[None, int, int]:
    """Run one worker more than there are cores: tests wait often, for a process to start or for what it says."""
    cores = yield
    return cores if "PYTEST_XDIST_AUTO_NUM_WORKERS" in os.environ else cores + 1


def pytest_configure_node(node: Any) -> None:
    """Tell an xdist worker where the server is."""
    node.workerinput["server"] = node.config.stash[SERVER]
    node.workerinput["template"] = node.config.stash[TEMPLATE]


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop what was started here."""
    if STACK in config.stash:
        config.stash[STACK].close()


@pytest.fixture(scope="session")
def server(pytestconfig: pytest.Config) -> str:
    """The conninfo of the server, as a superuser."""
    return pytestconfig.stash[SERVER]


_numbers = count()


@contextmanager
def _created(server: str, name: str, template: str = "template1", strategy: str = "WAL_LOG") -> Iterator[str]:
    """A database that is there for the length of the block."""
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY {strategy}")
        try:
            yield make_conninfo(server, dbname=name)
        finally:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def _filled(server: str, template: str, fill: Fill) -> str:
    """Return the name of a template with more in it: whichever worker comes first fills it, the others wait."""
    name = f"{template}_{fill.__module__.rpartition('.')[2]}_{fill.__name__}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute("SELECT pg_advisory_lock(hashtext(%s))", [name])
        if connection.execute("SELECT FROM pg_database WHERE datname = %s", [name]).fetchone() is None:
            with _created(server, f"{name}_half", template) as conninfo:
                fill(conninfo)
                connection.execute(f"CREATE DATABASE {name} TEMPLATE {name}_half STRATEGY FILE_COPY")
    return name


def _drop_filled(server: str, template: str) -> None:
    with psycopg.connect(server, autocommit=True) as connection:
        names = connection.execute("SELECT datname FROM pg_database WHERE starts_with(datname, %s)", [f"{template}_"])
        for (name,) in names.fetchall():
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


@pytest.fixture(scope="session")
def clone(server: str, pytestconfig: pytest.Config) -> Clone:
    """What makes another migrated database, there for the length of a `with` block.

    It is empty, or what a function made of an empty one: that is called once for all tests and workers.
    """
    template = pytestconfig.stash[TEMPLATE]

    def one(fill: Fill | None = None) -> AbstractContextManager[str]:
        name = f"cockpit_test_{os.getpid()}_{next(_numbers)}"
        if fill is None:
            return _created(server, name, template)
        return _created(server, name, _filled(server, template, fill), "FILE_COPY")

    return one


@pytest.fixture
def unchecked_database(clone: Clone) -> Iterator[str]:
    """The conninfo of a migrated, empty database that the test may leave as it likes."""
    with clone() as conninfo:
        yield conninfo


@pytest.fixture
def database(unchecked_database: str) -> Iterator[str]:
    """The conninfo of a migrated, empty database; at the end its tables must equal the oracle's fold of its log."""
    yield unchecked_database
    with psycopg.connect(unchecked_database) as checking:
        oracle.check(checking)
