"""A command that works on what is there makes no database, and one that only looks leaves the schema as it is."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg
import pytest

from db.migrate import MIGRATIONS
from tests.acceptance.processes import cockpit, load_sample_data

LOOKING = [
    ["status"],
    ["verify"],
    ["shell"],
    ["export", "events"],
    ["ingest", "rows.ndjson", "--dry-run"],
    ["parked", "list"],
    ["parked", "show", "1"],
    ["token", "list"],
]
WORKING = [
    ["ingest", "rows.ndjson"],
    ["rebuild"],
    ["tidy"],
    ["backup", "backup.tar.gz"],
    ["parked", "retry", "--all"],
    ["parked", "skip", "1", "--reason", "no"],
    ["user", "create", "jo", "--password-stdin"],
    ["user", "password", "jo", "--password-stdin"],
    ["token", "create", "jo"],
    ["token", "revoke", "0b9bf3a2-51b1-4b0b-a57c-1d2ee2a4f0b1"],
]
LAST = max(path.name for path in MIGRATIONS.glob("*.sql"))


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that everyone may enter, with a file to ingest."""
    with TemporaryDirectory(prefix="cockpit-there-") as name:
        Path(name).chmod(0o755)
        (Path(name) / "rows.ndjson").touch()
        yield Path(name)


def refused(done: subprocess.CompletedProcess[str]) -> str:
    """Return the one line of a command that was refused, without who says it."""
    assert (done.returncode, done.stdout) == (1, "")
    (line,) = done.stderr.splitlines()
    return line.removeprefix("cockpit: ").removeprefix("Error: ")


@pytest.mark.parametrize("command", LOOKING + WORKING, ids=" ".join)
def test_where_there_is_no_database_a_line_says_where_it_was_looked_for_and_none_is_made(
    command: list[str], folder: Path
) -> None:
    done = cockpit(*command, folder=folder, typed="1234\n", data_dir="data")
    assert refused(done) == (
        f"There is no database in {folder.resolve()}/data: COCKPIT_DATA_DIR says where it is,"
        " `cockpit serve` or `migrate` makes one."
    )
    assert [path.name for path in folder.iterdir()] == ["rows.ndjson"]


def test_what_migrate_made_is_there_for_what_looks(folder: Path) -> None:
    assert cockpit("migrate", folder=folder).returncode == 0
    assert "position 0, 0 behind" in cockpit("status", folder=folder).stdout
    assert cockpit("verify", folder=folder).stdout == "Clean: 0 events up to position 0, 0 rows compared.\n"


@pytest.mark.parametrize("command", LOOKING, ids=" ".join)
def test_what_only_looks_leaves_an_older_schema_as_it_is_and_says_what_to_do(
    command: list[str], unchecked_database: str, folder: Path
) -> None:
    with psycopg.connect(unchecked_database, autocommit=True) as connection:
        connection.execute("DELETE FROM public.cockpit_migration WHERE name = %s", [LAST])
        done = cockpit(*command, folder=folder, database_url=unchecked_database)
        assert refused(done) == f"The schema lacks {LAST}: run `cockpit migrate`."
        found = connection.execute("SELECT max(name) FROM public.cockpit_migration").fetchone()
    assert found is not None
    assert found[0] < LAST


def test_what_only_looks_makes_no_schema_in_a_database_of_others(empty_database: str, folder: Path) -> None:
    line = refused(cockpit("status", folder=folder, database_url=empty_database))
    with psycopg.connect(empty_database) as connection:
        ((name, tables),) = connection.execute(
            "SELECT current_database(), (SELECT count(*) FROM pg_tables WHERE schemaname = 'public')"
        ).fetchall()
    assert line == f"The database {name} has nothing of Cockpit yet: run `cockpit migrate`."
    assert tables == 0


def test_verify_says_how_far_the_log_is_where_the_read_model_is_behind_it(
    unchecked_database: str, folder: Path
) -> None:
    load_sample_data(unchecked_database, folder)
    with psycopg.connect(unchecked_database) as connection:
        ((head,),) = connection.execute("SELECT max(position) FROM log.event").fetchall()
    assert cockpit("verify", folder=folder, database_url=unchecked_database).stdout == (
        f"Clean: the log is whole up to position {head}; the read model is at 0, with 0 events, 0 rows compared.\n"
    )
