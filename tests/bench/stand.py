"""What is measured: an embedded PostgreSQL, and real `cockpit` processes beside it, in a folder that goes afterwards.

Every process is started from the main thread on a leash, so that none outlives the benchmark.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import re
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO, Any

import psycopg
from psycopg import sql
from pydantic import SecretStr

from db.accounts import Accounts
from db.connect import prepare
from db.embedded import DataDirectoryInUse, EmbeddedPostgres, own
from db.pool import make_pool
from db.queries import statement
from shared.settings import Settings
from tests.bench import leash

ROOT = Path(__file__).parents[2]
PREFIX = "cockpit-bench-"
TYPES = {"entity-types": ("PERSON", "INSTITUTION"), "detail-types": ("EMAIL", "PHONE", "ADDRESS", "WEBSITE")}
READY_SECONDS = 300.0
STOP_SECONDS = 20.0


class NotReady(Exception):
    """A process of the benchmark did not come up, or ended too early."""


def leashed(command: Sequence[str], **popen: Any) -> subprocess.Popen[bytes]:
    """Start a program that ends when this process does."""
    return subprocess.Popen([sys.executable, "-I", "-S", leash.__file__, str(os.getpid()), *command], **popen)


def stop(process: subprocess.Popen[bytes]) -> None:
    """End a process as an operator does; kill it where that does not do."""
    process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(STOP_SECONDS)
    process.kill()
    process.wait()


def wait_until(is_so: Callable[[], object], what: str, seconds: float = READY_SECONDS, pause: float = 0.02) -> None:
    """Wait until something is so. Raises NotReady when it takes too long."""
    give_up = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > give_up:
            raise NotReady(f"not within {seconds:.0f} s: {what}")
        time.sleep(pause)


class Service:
    """A `cockpit` service over one database: its API, its projector if it has one, and the log at hand to count."""

    def __init__(self, stand: Stand, database: str) -> None:
        self._stand, self.conninfo = stand, stand.server.dsn(database)
        self._settings = {"COCKPIT_DATABASE_URL": self.conninfo, "COCKPIT_PORT": "0"}
        self._parts: dict[str, subprocess.Popen[bytes]] = {}
        self.url = self.token = ""
        self.log = psycopg.connect(self.conninfo, autocommit=True, options="-c search_path=read_model,public")

    def start(self, *parts: str, is_waited_for: bool = True) -> None:
        """Start `api`, `project`, or both, and wait until they are there."""
        said: dict[str, Path] = {}
        for part in parts:
            with self._stand.output(part) as file:
                command, settings = [sys.executable, "-m", "cockpit", part], clean_environment(**self._settings)
                running = leashed(command, env=settings, cwd=self._stand.folder, stdout=file, stderr=file)
            self._stand.held.callback(stop, running)
            self._parts[part], said[part] = running, Path(file.name)
        if "api" in parts:
            self.url = self._address(self._parts["api"], said["api"])
        if "project" in parts and is_waited_for:
            wait_until(self._has_projector, "a projector that leads")

    def stop(self, part: str) -> None:
        stop(self._parts.pop(part))

    def stop_all(self) -> None:
        self.log.close()
        for part in [*self._parts]:
            self.stop(part)

    def processor_seconds(self, part: str) -> float:
        """Return how long a part has had a processor since it began; 0 where the system does not tell."""
        file = Path(f"/proc/{self.pid(part)}/stat")
        if not file.exists():
            return 0.0
        user, system = file.read_text().rpartition(")")[2].split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")

    def pid(self, part: str) -> int:
        return self._parts[part].pid

    def prepare(self) -> None:
        """Bring the schema up to date, and have an account of our own and its token."""
        settings = Settings(database_url=SecretStr(self.conninfo))
        self.token = asyncio.run(_token(prepare(self.conninfo, settings).of("write")))

    def register_types(self) -> None:
        """Have the types that entities are made of."""
        for kind, codes in TYPES.items():
            for code in codes:
                self.ask(f"/api/v1/{kind}", {"code": code, "name": code.title()}).close()

    def ask(self, path: str, body: object = None) -> http.client.HTTPResponse:
        """Ask once, by the way: what is measured is asked by load.py. Raises NotReady unless it is answered well."""
        headers = {"Authorization": f"Token {self.token}", "Content-Type": "application/json"}
        given = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, given, headers)  # noqa: S310  # our own address
        try:
            answer: http.client.HTTPResponse = urllib.request.urlopen(request, timeout=30)  # noqa: S310
        except urllib.error.URLError as error:
            raise NotReady(f"{path}: {error}") from None
        return answer

    def one(self, query: str, *values: object) -> Any:
        """Return the one value that a query gives."""
        row = self.log.execute(query.encode(), values).fetchone()
        return row[0] if row else None

    def settle(self) -> None:
        """Wait until what was asked before, and nobody waits for any more, has been answered: it stands in a queue."""
        with self.ask("/api/v1/entities?page_size=1&count=none") as answer:
            answer.read()

    def head(self) -> int:
        return int(self.one("SELECT coalesce((SELECT position FROM log.event ORDER BY position DESC LIMIT 1), 0)"))

    def checkpoint(self) -> int:
        return int(self.one("SELECT position FROM read_model.checkpoint WHERE name = 'read_model'"))

    def behind(self) -> int:
        """How many events the read model is behind the log."""
        return self.head() - self.checkpoint()

    def drain(self, seconds: float = READY_SECONDS) -> None:
        """Wait until the read model has the whole log."""
        wait_until(lambda: self.behind() == 0, f"the backlog drained, {self.behind()} events are left", seconds)

    def _has_projector(self) -> bool:
        known = self.log.execute(statement("read/get_health")).fetchone()
        return known is not None and known[-1] and self.behind() == 0

    def _address(self, running: subprocess.Popen[bytes], said: Path) -> str:
        found: list[str] = []

        def look() -> bool:
            if running.poll() is not None:
                raise NotReady(f"the API ended with {running.returncode}: {said.read_text()[-2000:]}")
            found.extend(re.findall(r"API +(http://\S+)/api/v1/entities", said.read_text()))
            return bool(found)

        wait_until(look, "the API is ready")
        return found[0]


async def _token(conninfo: str) -> str:
    async with make_pool(conninfo, 2) as pool:
        accounts = Accounts(pool)
        await accounts.create_user("bench", secrets.token_hex(16), is_admin=True)
        return (await accounts.issue_token("bench")).token


def clean_environment(**settings: str) -> dict[str, str]:
    """Return this process's environment with no settings of Cockpit but these."""
    return {name: value for name, value in os.environ.items() if not name.startswith("COCKPIT_")} | settings


class Stand:
    """The place of one run: a folder, a PostgreSQL in it, and whatever was started."""

    def __init__(self, folder: Path, server: EmbeddedPostgres, held: ExitStack) -> None:
        self.folder, self.server, self.held = folder, server, held
        self._outputs = 0

    def output(self, name: str) -> IO[bytes]:
        """Return a new file for what a process says."""
        self._outputs += 1
        return (self.folder / f"{self._outputs}-{name}.out").open("wb")

    def create(self, database: str) -> str:
        """Make an empty database and return where it is."""
        with psycopg.connect(self.server.dsn("postgres"), autocommit=True) as connection:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(database)))
        return self.server.dsn(database)

    def drop(self, database: str) -> None:
        with psycopg.connect(self.server.dsn("postgres"), autocommit=True) as connection:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(database)))

    @contextmanager
    def service(self, database: str, *parts: str, fill: Callable[[str], object] | None = None) -> Iterator[Service]:
        """Give a service over a new database, with an account; it is stopped afterwards, and the database dropped.

        It has what `fill` puts into it, or nothing but types.
        """
        self.create(database)
        with ExitStack() as stack:
            service = Service(self, database)
            stack.callback(self.drop, database)
            stack.callback(service.stop_all)
            service.prepare()
            if fill is not None:
                fill(service.conninfo)
            service.start(*parts)
            if fill is None and parts:
                service.register_types()
            yield service

    @contextmanager
    def process(self, name: str, command: Sequence[str], **settings: str) -> Iterator[Path]:
        """Run a program beside; give the file it writes to."""
        file = self.output(name)
        running = leashed(command, env=clean_environment(**settings), cwd=ROOT, stdout=file, stderr=file)
        file.close()
        try:
            yield Path(file.name)
        finally:
            stop(running)


@contextmanager
def stand(settings: dict[str, str] | None = None) -> Iterator[Stand]:
    """Give a place to measure at; what an earlier run left when it was killed is removed first."""
    for left in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        with ExitStack() as lock, suppress(DataDirectoryInUse, OSError):
            own(left, lock)
            shutil.rmtree(left, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=PREFIX, ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o755)  # PostgreSQL runs as another user where we are root
        with EmbeddedPostgres(folder, settings=settings) as server, ExitStack() as held:
            yield Stand(folder, server, held)
