"""Migrations and roles: applied once whoever comes first, refused where they are not ours, granted or told about."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx2
import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from db import migrate as module
from db.embedded import EmbeddedPostgres
from db.migrate import MIGRATIONS, MigrationError, check, migrate
from db.pool import ROLES, Dsns
from db.roles import ensure_roles, has_roles
from projector.verify import verify
from shared.core.events import EventCancelled, entity_stream
from tests.acceptance.processes import authorization, cockpit, running, until
from tests.appending import Append, append
from tests.conftest import Clone
from tests.integration.projecting import JOHN, Histories, add, execute, fetch, fold_all, run, tables, uid

FILES = sorted(path.name for path in MIGRATIONS.glob("*.sql"))
PROGRAM = "import sys; from db.migrate import migrate; print(*migrate(sys.argv[1]))"


@pytest.fixture
def empty(clone: Clone) -> Iterator[str]:
    """A database without any schema of ours."""
    with clone() as conninfo:
        with psycopg.connect(conninfo) as connection:
            connection.execute("DROP SCHEMA log CASCADE")
            connection.execute("DROP SCHEMA read_model CASCADE")
            connection.execute("DROP SCHEMA auth CASCADE")
            connection.execute("DROP SCHEMA projection CASCADE")
            connection.execute("DROP EXTENSION btree_gist")
            connection.execute("DROP TABLE cockpit_migration")
        yield conninfo


@contextmanager
def login(conninfo: str, name: str, *rights: str, drop: bool = True) -> Iterator[str]:
    """A login of its own that owns the database."""
    with psycopg.connect(conninfo, autocommit=True) as connection:
        ((database, owner),) = connection.execute("SELECT current_database(), current_user").fetchall()
        connection.execute(f"CREATE ROLE {name} LOGIN PASSWORD 'secret' {' '.join(rights)}".encode())
        connection.execute(f"ALTER DATABASE {database} OWNER TO {name}".encode())
        try:
            yield make_conninfo(conninfo, user=name, password="secret")
        finally:
            if drop:
                connection.execute(f"ALTER DATABASE {database} OWNER TO {owner}".encode())
                connection.execute(f"REASSIGN OWNED BY {name} TO {owner}".encode())
                connection.execute(f"DROP OWNED BY {name}".encode())
                connection.execute(f"DROP ROLE {name}".encode())


def test_all_is_applied_once_in_order(empty: str) -> None:
    with pytest.raises(MigrationError, match="has nothing of Cockpit yet: run `cockpit migrate`"):
        check(empty)
    assert migrate(empty) == FILES
    assert migrate(empty) == []
    check(empty)


def test_of_many_processes_at_once_one_applies_and_the_others_wait(empty: str) -> None:
    processes = [
        subprocess.Popen([sys.executable, "-c", PROGRAM, empty], stdout=subprocess.PIPE, text=True) for _ in range(3)
    ]
    applied = [process.communicate(timeout=60)[0].split() for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0]
    assert sorted(applied) == [[], [], FILES]


def test_a_migration_that_was_changed_is_refused(unchecked_database: str) -> None:
    with psycopg.connect(unchecked_database) as connection:
        connection.execute("UPDATE cockpit_migration SET digest = 'x' WHERE name = %s", [FILES[1]])
    for check_it in (migrate, check):
        with pytest.raises(MigrationError, match=f"{FILES[1]} was changed"):
            check_it(unchecked_database)


def test_a_database_from_the_future_is_refused(unchecked_database: str) -> None:
    with psycopg.connect(unchecked_database) as connection:
        connection.execute("INSERT INTO cockpit_migration VALUES ('9999_later.sql', 'x')")
    with pytest.raises(MigrationError, match=r"newer than this code: it has 9999_later\.sql"):
        migrate(unchecked_database)


def test_a_migration_that_fails_leaves_nothing_and_the_ones_before_it_stay(
    empty: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(MIGRATIONS, tmp_path / "migrations")
    monkeypatch.setattr(module, "MIGRATIONS", tmp_path / "migrations")
    (tmp_path / "migrations" / "0002_bad.sql").write_text("CREATE TABLE log.half (); SELECT 1 / 0;")
    with pytest.raises(MigrationError, match=r"0002_bad\.sql: division by zero"):
        migrate(empty)
    with psycopg.connect(empty) as connection:
        assert connection.execute("SELECT to_regclass('log.half')").fetchone() == (None,)
        applied = connection.execute("SELECT name FROM cockpit_migration ORDER BY 1").fetchall()
    assert applied == [(name,) for name in FILES if name < "0002_bad.sql"]


def test_a_migration_that_waits_for_a_table_keeps_no_reader_waiting(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(MIGRATIONS, tmp_path / "migrations")
    monkeypatch.setattr(module, "MIGRATIONS", tmp_path / "migrations")
    (tmp_path / "migrations" / "9999_later.sql").write_text(
        "ALTER TABLE read_model.entity_type ALTER description SET DEFAULT 1;"
    )
    waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'read_model.entity_type'::regclass"
    with (
        ThreadPoolExecutor(1) as pool,
        psycopg.connect(database) as long,
        psycopg.connect(database, autocommit=True, options="-c lock_timeout=20s") as reader,
    ):
        long.execute("SELECT FROM read_model.entity_type")
        migrating = pool.submit(migrate, database)
        for _ in range(2):
            until(lambda: fetch(database, waiting) == [(1,)], 30)
            reader.execute("SELECT FROM read_model.entity_type")
        assert not migrating.done()
        long.rollback()
        assert migrating.result(30) == ["9999_later.sql"]
    check(database)


def test_a_statement_under_way_goes_on_with_the_functions_it_was_planned_with(
    empty: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replacing = "0025_counts_in_a_statement.sql"
    monkeypatch.setattr(module, "MIGRATIONS", tmp_path)
    for name in FILES[: FILES.index(replacing)]:
        shutil.copy(MIGRATIONS / name, tmp_path)
    migrate(empty)
    counting = """
        SELECT pg_advisory_xact_lock_shared(1), read_model.entities_at(now(), NULL),
               read_model.entities_known_at(now(), NULL, 0, 0)
    """
    waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = 'advisory' AND objid = 1"
    with ThreadPoolExecutor(1) as pool, psycopg.connect(empty) as holder:
        holder.execute("SELECT pg_advisory_xact_lock(1)")
        counted = pool.submit(fetch, empty, counting)
        until(lambda: fetch(empty, waiting) == [(1,)], 30)
        shutil.copy(MIGRATIONS / replacing, tmp_path)
        assert migrate(empty) == [replacing]
        holder.rollback()
        assert counted.result(30) == [("", 0, 0)]
    monkeypatch.setattr(module, "MIGRATIONS", MIGRATIONS)
    migrate(empty)
    assert fetch(empty, "SELECT proname FROM pg_proc WHERE proname ~ '^entities.*before$'") == []
    assert fetch(empty, counting)[0][1:] == (0, 0)


def test_a_migration_does_not_wait_for_ever(database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(MIGRATIONS, tmp_path / "migrations")
    monkeypatch.setattr(module, "MIGRATIONS", tmp_path / "migrations")
    monkeypatch.setattr(module, "PATIENCE_SECONDS", 0.0)
    (tmp_path / "migrations" / "9999_later.sql").write_text(
        "ALTER TABLE read_model.entity_type ALTER description SET DEFAULT 1;"
    )
    with psycopg.connect(database) as long:
        long.execute("SELECT FROM read_model.entity_type")
        with pytest.raises(MigrationError, match=r"^9999_later\.sql waited for 0 s: .*lock timeout"):
            migrate(database)
    assert migrate(database) == ["9999_later.sql"]


def test_roles_are_made_once_and_again_is_no_error(unchecked_database: str) -> None:
    assert ensure_roles(unchecked_database) is None
    assert ensure_roles(unchecked_database) is None


def test_a_login_that_may_not_make_roles_is_told_the_sql_and_with_it_all_is_well(empty: str) -> None:
    with login(empty, "cockpit_plain") as plain:
        migrate(plain)
        missing = ensure_roles(plain)
        assert missing is not None
        with psycopg.connect(empty) as administrator:
            administrator.execute(missing.encode())
        assert ensure_roles(plain) is None
        for side in ROLES:
            with psycopg.connect(Dsns(plain).of(side)) as connection:
                assert connection.execute("SELECT current_user::text").fetchone() == (ROLES[side],)


def test_a_service_without_roles_serves_all_the_same_with_a_warning(empty: str, tmp_path: Path) -> None:
    with login(empty, "cockpit_single") as single:
        with running("serve", folder=tmp_path, database_url=single) as service:
            url = service.url
            assert "this login may not make roles" in service.errors
            body = {"display_name": "Jo", "entity_type": "PERSON"}
            made = httpx2.post(f"{url}/api/v1/entities", json=body, headers=authorization(url))
            assert made.status_code == 201
            assert httpx2.get(f"{url}{made.headers['Location']}").status_code == 200
            assert service.stop() == 0
        assert cockpit("verify", folder=tmp_path, database_url=single).returncode == 0


def test_what_only_looks_acts_as_the_roles_where_it_may_and_as_the_login_itself_elsewhere(empty: str) -> None:
    with login(empty, "cockpit_looking") as plain:
        migrate(plain)
        assert not has_roles(plain)
        assert ensure_roles(empty) is None
        assert not has_roles(plain)
        assert has_roles(empty)


def test_events_that_had_no_audit_entry_get_the_one_that_the_projector_makes(database: str) -> None:
    """As many as are folded: not the parked ones, and not those behind the checkpoint."""
    migration = (MIGRATIONS / "0009_every_event_is_audited.sql").read_text(encoding="utf-8")
    with psycopg.connect(database) as connection:
        append(connection, Append(stream=entity_stream(uid(9)), events=[EventCancelled(uid(1)), JOHN]))
    Histories(9).extend(database, 300)
    run(fold_all(database))
    assert fetch(database, "SELECT position FROM read_model.parked_event ORDER BY 1") == [(1,), (2,)]
    folded = tables(database)
    add(database, 8, JOHN)
    without = "DELETE FROM read_model.audit_entry WHERE before_value IS NULL AND after_value IS NULL RETURNING 1"
    assert len(fetch(database, without)) > 10
    assert tables(database) != folded
    execute(database, migration)
    assert tables(database) == folded
    execute(database, migration)
    assert tables(database) == folded
    run(fold_all(database))
    verify(Dsns(database).of("project"))


def test_a_login_without_any_right_is_told_so_in_one_line(unchecked_database: str, tmp_path: Path) -> None:
    with psycopg.connect(unchecked_database) as connection:
        for schema in ("log", "read_model", "auth"):
            connection.execute(f"DROP SCHEMA {schema} CASCADE".encode())
        connection.execute("DROP TABLE cockpit_migration")
        connection.execute("CREATE ROLE cockpit_stranger LOGIN PASSWORD 'secret'")
    try:
        stranger = make_conninfo(unchecked_database, user="cockpit_stranger", password="secret")
        done = cockpit("migrate", folder=tmp_path, database_url=stranger)
    finally:
        with psycopg.connect(unchecked_database) as connection:
            connection.execute("DROP ROLE cockpit_stranger")
    assert done.returncode == 1
    assert done.stderr.startswith("cockpit: The schema cannot be brought up to date: permission denied")
    assert done.stderr.count("\n") == 1


def test_a_login_that_may_make_roles_but_is_no_superuser_makes_them_and_acts_as_them() -> None:
    with tempfile.TemporaryDirectory(prefix="cockpit-roles-") as name:
        Path(name).chmod(0o755)
        with (
            EmbeddedPostgres(Path(name), settings={"fsync": "off"}) as server,
            login(server.dsn("postgres"), "maker", "CREATEROLE", drop=False) as maker,
        ):
            migrate(maker)
            assert ensure_roles(maker) is None
            for side in ROLES:
                with psycopg.connect(Dsns(maker).of(side)) as connection:
                    assert connection.execute("SELECT current_user::text").fetchone() == (ROLES[side],)
