"""The `cockpit` command line as an operator meets it, beside a service that runs on the same data directory."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx2
import psycopg
import pytest
from typer.testing import CliRunner

from cockpit.__main__ import cli
from cockpit.commands import COMMANDS as TABLE
from tests.acceptance.processes import JOHN, Process, cockpit, is_ready, load_sample_data, running, until

COMMANDS = [
    *([name] for name in TABLE),
    *(["user", name] for name in ("create", "password")),
    *(["token", name] for name in ("create", "list", "revoke")),
    *(["parked", name] for name in ("list", "show", "retry", "skip")),
]


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="cockpit-line-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.fixture(scope="module")
def service(home: Path) -> Iterator[Process]:
    """A service that runs in `home`."""
    with running("serve", folder=home) as process:
        url = process.url
        until(lambda: is_ready(url), 20)
        yield process


def say(folder: Path, *arguments: str, typed: str = "", **settings: object) -> str:
    """Run a command that must succeed, and return what it prints."""
    done = cockpit(*arguments, folder=folder, typed=typed, **settings)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_explains_itself(command: list[str]) -> None:
    told = CliRunner().invoke(cli, [*command, "--help"])
    assert told.exit_code == 0
    assert f"{' '.join(command)} [" in told.output


def test_the_command_itself_explains_itself_and_touches_nothing(tmp_path: Path) -> None:
    told = say(tmp_path, "--help")
    assert all(command[0] in told for command in COMMANDS)
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_command_is_refused(tmp_path: Path) -> None:
    done = cockpit("nonsense", folder=tmp_path)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


def test_a_command_loads_what_it_needs_and_no_web_framework_for_what_serves_nothing() -> None:
    modules = {place.partition(":")[0] for place in TABLE.values()}
    quiet = modules - {"cockpit.serve_cli", "cockpit.openapi"}
    program = (
        "import importlib, sys, cockpit.__main__\n"
        f"loaded = {modules}.intersection(sys.modules)\n"
        f"for name in {quiet}: importlib.import_module(name)\n"
        "print(sorted(loaded), 'fastapi' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[] False\n"


def test_users_and_tokens_are_made_beside_a_running_service(service: Process, home: Path) -> None:
    say(home, "user", "create", "jo", "--password-stdin", typed="12345678\n")
    token = say(home, "token", "create", "jo", "--scope", "write", "--label", "laptop").strip()
    path = f"{service.url}/api/v1/entities/{JOHN}"
    headers = {"Authorization": f"Token {token}"}
    assert httpx2.patch(path, json={"display_name": "Jo's"}, headers=headers).status_code == 200
    listed = say(home, "token", "list", "jo")
    assert "laptop" in listed
    (token_id,) = re.findall(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", listed)
    say(home, "token", "revoke", token_id)
    assert httpx2.patch(path, json={"display_name": "no"}, headers=headers).status_code == 401
    assert cockpit("user", "create", "jo", "--password-stdin", folder=home, typed="12345678\n").returncode == 1


def test_fixtures_again_append_nothing(service: Process, home: Path) -> None:
    assert say(home, "fixtures") == "0 events appended.\n"
    assert say(home, "fixtures") == "0 events appended.\n"
    assert cockpit("fixtures", folder=home, environment="production").returncode == 1


def test_status_verify_and_migrate_beside_a_running_service(service: Process, home: Path) -> None:
    status = say(home, "status")
    assert re.search(r"^PostgreSQL +\d+", status, re.MULTILINE)
    assert re.search(r"^projector +leads$", status, re.MULTILINE)
    assert re.search(r"^parked +0 events$", status, re.MULTILINE)
    assert say(home, "verify").startswith("Clean: ")
    assert say(home, "migrate") == "Nothing to do: the schema is up to date.\n"


def test_a_rebuild_beside_a_running_service_says_what_it_did_and_how_far_it_was(service: Process, home: Path) -> None:
    done = cockpit("rebuild", folder=home)
    assert (done.returncode, re.sub(r"\d+", "N", done.stdout)) == (
        0,
        "Rebuilt: N events, N rows, N.N s, N rows differed.\n",
    )
    assert done.stdout.endswith(" 0 rows differed.\n")
    assert re.findall(r"^\w+", done.stderr, re.MULTILINE) == [
        "Loading",
        "Indexing",
        "Catching",
        "Comparing",
        "Switching",
    ]
    assert httpx2.get(f"{service.url}/api/v1/entities/{JOHN}").status_code == 200


def test_a_rebuild_leaves_what_verify_finds_clean_and_a_wrong_cell_is_exit_code_1(
    unchecked_database: str, tmp_path: Path
) -> None:
    load_sample_data(unchecked_database, tmp_path)
    assert re.search("projector +none is running", say(tmp_path, "status", database_url=unchecked_database))
    told = say(tmp_path, "rebuild", database_url=unchecked_database)
    position = re.fullmatch(r"Rebuilt: (\d+) events, .*\n", told)
    assert position
    assert f"up to position {position[1]}" in say(tmp_path, "verify", database_url=unchecked_database)
    with psycopg.connect(unchecked_database) as connection:
        connection.execute("UPDATE read_model.entity_version SET display_name = 'x' WHERE entity_uid = %s", [JOHN])
    done = cockpit("verify", folder=tmp_path, database_url=unchecked_database)
    assert done.returncode == 1
    assert re.search(
        r"cockpit: entity_version \d+, display_name: the log says 'John Doe', the table has 'x'", done.stderr
    )
    assert "Traceback" not in done.stderr
