"""A PostgreSQL of one's own, with a login that may not make roles: served all the same, told what to ask for."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx2
import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from db.embedded import EmbeddedPostgres
from db.pool import ROLES
from tests import oracle
from tests.acceptance.processes import authorization, cockpit, running

LINE = "this login may not make roles and serves for all sides"
SQL = re.compile(r"^(?:CREATE ROLE \w+ NOLOGIN;\n)*GRANT [\w, ]+ TO .+;\n", re.MULTILINE)


@pytest.fixture
def own_server() -> Iterator[str]:
    """The conninfo of a server that never heard of us, as a superuser, in a directory that everyone may enter."""
    with TemporaryDirectory(prefix="cockpit-own-") as name:
        Path(name).chmod(0o755)
        with EmbeddedPostgres(Path(name), settings={"fsync": "off"}) as server:
            yield server.dsn("postgres")


def login(superuser: str, name: str, rights: str = "", database: str = "") -> str:
    """Make a login, and a database that it owns where one is named."""
    with psycopg.connect(superuser, autocommit=True) as connection:
        who = sql.Identifier(name)
        connection.execute(sql.SQL("CREATE ROLE {} LOGIN {} PASSWORD 'secret'").format(who, sql.SQL(rights)))
        if database:
            connection.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(sql.Identifier(database), who))
    return make_conninfo(superuser, user=name, password="secret", dbname=database or "postgres")


@contextmanager
def working(conninfo: str, folder: Path, name: str) -> Iterator[str]:
    """Serve, write and read; give what was logged by then, and verify at the end."""
    with running("serve", folder=folder, database_url=conninfo) as service:
        url = service.url
        body = {"display_name": name, "entity_type": "PERSON"}
        answer = httpx2.post(f"{url}/api/v1/entities", json=body, headers=authorization(url), timeout=10)
        assert answer.status_code == 201, answer.text
        assert httpx2.get(f"{url}{answer.headers['Location']}", timeout=10).json()["display_name"] == name
        assert httpx2.get(f"{url}/ping/", timeout=10).json()["status"] == "healthy"
        yield service.errors
        assert service.stop() == 0
    verified = cockpit("verify", folder=folder, database_url=conninfo)
    assert verified.returncode == 0, verified.stderr


@pytest.mark.parametrize("name", ["plain", 'O"Brien'])
def test_a_login_that_may_not_make_roles_serves_alone_until_an_administrator_made_them(
    own_server: str, tmp_path: Path, name: str
) -> None:
    plain = login(own_server, name, database="crm")
    administrator = login(own_server, "administrator", "CREATEROLE")

    with working(plain, tmp_path, "First") as said:
        assert said.count(LINE) == 1
        (told,) = SQL.findall(said)
        assert roles(own_server) == set()
        assert told.count("CREATE ROLE") == 3

    with psycopg.connect(administrator) as connection:
        connection.execute(told.encode())

    with working(plain, tmp_path, "Second") as said:
        assert LINE not in said
        assert not SQL.search(said)
        assert roles(own_server) == set(ROLES.values())
        assert may_not_write(plain)

    with psycopg.connect(plain) as connection:
        names = connection.execute(
            "SELECT display_name FROM read_model.entity_version ORDER BY id DESC LIMIT 2"
        ).fetchall()
        assert names == [("Second",), ("First",)]
        oracle.check(connection)


def test_where_the_roles_are_there_already_only_membership_is_asked_for(own_server: str, tmp_path: Path) -> None:
    for role in ROLES.values():
        with psycopg.connect(own_server) as connection:
            connection.execute(f"CREATE ROLE {role} NOLOGIN".encode())
    plain = login(own_server, "plain", database="crm")
    for told in (True, False):
        done = cockpit("migrate", folder=tmp_path, database_url=plain)
        assert done.returncode == 0
        assert (LINE in done.stderr) == told
        assert "CREATE ROLE" not in done.stderr
        if told:
            (grant,) = SQL.findall(done.stderr)
            with psycopg.connect(own_server) as connection:
                connection.execute(grant.encode())


def roles(superuser: str) -> set[str]:
    """Return which of our roles there are."""
    with psycopg.connect(superuser) as connection:
        found = connection.execute("SELECT rolname::text FROM pg_roles WHERE rolname LIKE 'cockpit\\_%'")
        return {str(name) for (name,) in found}


def may_not_write(conninfo: str) -> bool:
    """Whether the role that reads is refused a write: the wall between the sides stands."""
    with psycopg.connect(conninfo, options="-c role=cockpit_reader") as connection:
        try:
            connection.execute("DELETE FROM read_model.entity_version")
        except psycopg.errors.InsufficientPrivilege:
            return True
    return False
