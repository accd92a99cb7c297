"""Bring the schema up to date: sorted files, each once, in one transaction, its digest recorded."""

from __future__ import annotations

import time
from hashlib import sha256
from pathlib import Path
from typing import Any

import psycopg

from db.queries import statement

MIGRATIONS = Path(__file__).parent / "migrations"
LOCK = (4011, 2)
LOCK_SECONDS = 60.0
POLL_SECONDS = 0.1
TABLE_LOCK_MS = 500
"""How long a table's lock is waited for at a time: whoever comes later, to read only, waits behind who waits."""
PATIENCE_SECONDS = 300.0
PAUSE_SECONDS = 1.0
REFUSALS = (psycopg.ProgrammingError, psycopg.DataError, psycopg.IntegrityError, psycopg.NotSupportedError)
"""What a database says that will not; one that is away says OperationalError."""


class MigrationError(Exception):
    """The schema cannot be brought up to date; the message says why in one line."""


def migrate(conninfo: str) -> list[str]:
    """Apply what is missing and return the names of what was applied.

    Raises MigrationError when the database is newer than this code, when a migration that was applied has been changed
    since, when the database refuses one, or when others use a table that one changes for PATIENCE_SECONDS: then those
    before it stay. Of several processes one applies, the others
    wait (by polling: a blocking lock would be in the way of CREATE INDEX CONCURRENTLY).
    """
    with psycopg.connect(conninfo, autocommit=True, options="-c client_min_messages=warning") as connection:
        _lock(connection)
        try:
            return _apply(connection)
        except REFUSALS as error:
            raise _refused("The schema cannot be brought up to date", error) from error
        finally:
            if not connection.broken:
                connection.execute("SELECT pg_advisory_unlock(%s, %s)", LOCK)


def check(conninfo: str) -> None:
    """Raise MigrationError unless the schema is just the one this code was written for; nothing is changed."""
    with psycopg.connect(conninfo, autocommit=True) as connection:
        try:
            applied = _applied(connection)
        except REFUSALS as error:
            raise _refused("The schema cannot be looked at", error) from error
        name = connection.info.dbname
    missing = [path.name for path in _missing(applied)]
    if not applied:
        raise MigrationError(f"The database {name} has nothing of Cockpit yet: run `cockpit migrate`.")
    if missing:
        raise MigrationError(f"The schema lacks {', '.join(missing)}: run `cockpit migrate`.")


def _apply(connection: psycopg.Connection[Any]) -> list[str]:
    applied = _applied(connection)
    if not applied:
        connection.execute(statement("migrate/create_migration_table"))
    done = []
    for path in _missing(applied):
        _patiently(connection, path)
        done.append(path.name)
    return done


def _patiently(connection: psycopg.Connection[Any], path: Path) -> None:
    """Apply a migration, again and again while others use a table for long that it changes: in short tries."""
    give_up = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            with connection.transaction():
                _apply_one(connection, path)
        except psycopg.errors.LockNotAvailable as error:
            if time.monotonic() > give_up:
                raise _refused(f"{path.name} waited for {PATIENCE_SECONDS:g} s", error) from error
        else:
            return
        time.sleep(PAUSE_SECONDS)


def _apply_one(connection: psycopg.Connection[Any], path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    connection.execute("SELECT set_config('lock_timeout', %s, true)", [f"{TABLE_LOCK_MS}ms"])
    before = _definitions(connection)
    _run(connection, path.name, text)
    connection.execute(
        "INSERT INTO public.cockpit_migration (name, digest) VALUES (%s, %s)", (path.name, _digest(text))
    )
    if _definitions(connection) is not None:
        connection.execute(statement("migrate/remember_definitions"), {"before": before or "[]"})


def _definitions(connection: psycopg.Connection[Any]) -> str | None:
    """Return what there is, None before the migration that can tell."""
    if connection.execute("SELECT to_regprocedure('projection.definitions(text)')").fetchone() == (None,):
        return None
    row = connection.execute(statement("migrate/read_definitions")).fetchone()
    return None if row is None else str(row[0])


def _run(connection: psycopg.Connection[Any], name: str, text: str) -> None:
    try:
        connection.execute(text.encode())
    except REFUSALS as error:
        raise _refused(name, error) from error


def _refused(what: str, error: psycopg.Error) -> MigrationError:
    return MigrationError(f"{what}: {str(error).partition(chr(10))[0]}.")


def _applied(connection: psycopg.Connection[Any]) -> dict[str, str]:
    if connection.execute("SELECT to_regclass('public.cockpit_migration')").fetchone() == (None,):
        return {}
    return dict(connection.execute("SELECT name, digest FROM public.cockpit_migration").fetchall())


def _missing(applied: dict[str, str]) -> list[Path]:
    files = {path.name: path for path in sorted(MIGRATIONS.glob("*.sql"))}
    unknown = sorted(applied.keys() - files.keys())
    if unknown:
        raise MigrationError(f"The database is newer than this code: it has {', '.join(unknown)}.")
    for name, digest in applied.items():
        if _digest(files[name].read_text(encoding="utf-8")) != digest:
            raise MigrationError(f"{name} was changed after it was applied.")
    return [path for name, path in files.items() if name not in applied]


def _digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()


def _lock(connection: psycopg.Connection[Any]) -> None:
    deadline = time.monotonic() + LOCK_SECONDS
    while True:
        row = connection.execute("SELECT pg_try_advisory_lock(%s, %s)", LOCK).fetchone()
        if row is not None and row[0]:
            return
        if time.monotonic() > deadline:
            raise MigrationError("Another process has been migrating for a minute.")
        time.sleep(POLL_SECONDS)
