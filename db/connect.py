"""Where the database is: the user's own, the embedded one that runs already, or the embedded one started for us."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import structlog
from msgspec import Struct
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from db import child
from db.data_dir import check_cluster, usable
from db.embedded import DataDirectoryInUse, EmbeddedPostgres
from db.migrate import check, migrate
from db.pool import CONNECT_SECONDS, Dsns
from db.roles import ensure_roles, has_roles
from shared.core.errors import CockpitError

if TYPE_CHECKING:
    from shared.settings import Settings

DATABASE = "cockpit"

log = structlog.get_logger()


class NotAnAddress(CockpitError):
    """COCKPIT_{name} is not the address of a PostgreSQL: write postgresql://user:password@host:port/database."""

    def __init__(self, name: str) -> None:
        self.name = name.upper()


class NotUpYet(CockpitError):
    """The database in {data_dir} is only being started: try again in a moment."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir


class Database(Struct, frozen=True):
    """A database that answers: its conninfo as the owner, whether it is still there, and where its log is."""

    conninfo: str
    alive: Callable[[], bool] = lambda: True
    log: Path | None = None


@contextmanager
def database(settings: Settings, *, create: bool = False, join: bool = True) -> Iterator[Database]:
    """Yield the database for as long as the block runs.

    With `create`, an embedded one is made where there is none; without, that raises NoDatabase. With `join`, an
    embedded server that another process runs in the same data directory is used as it is; without, that raises
    DataDirectoryInUse. Raises OperationalError when a server of the user's own does not answer, NotAnAddress where a
    setting cannot name one, Unusable where the data directory cannot be made, read or written, and NotUpYet where
    another process only starts the server.
    """
    _check_urls(settings)
    url = settings.database_url or next(iter(settings.side_urls.values()), None)
    if url is not None:
        conninfo = make_conninfo(url.get_secret_value(), connect_timeout=CONNECT_SECONDS)
        psycopg.connect(conninfo).close()
        yield Database(conninfo)
        return
    data_dir = settings.data_dir.resolve()
    server = EmbeddedPostgres(data_dir)
    try:
        with usable(data_dir):
            if not create:
                check_cluster(data_dir)
            server.start()
    except DataDirectoryInUse:
        if not join:
            raise
        yield Database(_running(data_dir))
        return
    try:
        _create_database(server.dsn("postgres"))
        yield Database(server.dsn(DATABASE), lambda: server.pid is not None, data_dir / "postgres.log")
    finally:
        server.stop()


def prepare(conninfo: str, settings: Settings) -> Dsns:
    """Bring the schema and the roles up to date, and return where each side connects.

    Where only the sides have DSNs, none of them may change the schema: it is only checked. Where the login may not make
    roles, one line says so with the SQL for an administrator, and the login itself serves for all sides. Raises
    MigrationError.
    """
    if settings.database_url is None and settings.side_urls:
        return look(conninfo, settings)
    applied = migrate(conninfo)
    if applied:
        log.info("migrated", applied=applied)
    missing = ensure_roles(conninfo)
    if missing is not None:
        log.warning("this login may not make roles and serves for all sides; what an administrator can run follows")
        print(missing, end="", file=sys.stderr, flush=True)  # noqa: T201  # to be copied, so not within a log line
    return Dsns(conninfo, settings, with_roles=missing is None)


def look(conninfo: str, settings: Settings) -> Dsns:
    """Return where each side connects, for what only looks: nothing is changed, and the schema must be up to date.

    Raises MigrationError.
    """
    check(conninfo)
    return Dsns(conninfo, settings, with_roles=has_roles(conninfo))


def _check_urls(settings: Settings) -> None:
    urls = {"database_url": settings.database_url}
    urls |= {f"{side}_database_url": url for side, url in settings.side_urls.items()}
    for name, url in urls.items():
        try:
            conninfo_to_dict(url.get_secret_value() if url else "")
        except psycopg.ProgrammingError:  # its words repeat parts of the address, which may be secret
            raise NotAnAddress(name) from None


def _running(data_dir: Path) -> str:
    """Return the conninfo of the embedded server that another process of ours runs. Raises NotUpYet."""
    cluster = data_dir / "postgres"
    told = child.lines(cluster / "postmaster.pid")[3:5]
    if len(told) < 2:  # noqa: PLR2004  # the port, and where its sockets are
        raise NotUpYet(data_dir)
    port, sockets = told
    password = (cluster / child.PASSWORD_FILE).read_text()
    return make_conninfo(host=sockets, port=port, user="cockpit", password=password, dbname=DATABASE)


def _create_database(conninfo: str) -> None:
    with psycopg.connect(conninfo, autocommit=True) as connection:
        found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone()
        if found is None:
            connection.execute(f"CREATE DATABASE {DATABASE}")
