"""The commands of docs/backup.md run as they stand there, on the embedded database and on one of one's own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg
import pytest

from db.embedded import programs
from tests.acceptance.processes import cockpit, copy_data, environment, load_sample_data
from tests.architecture import ROOT
from tests.integration.owners import DEBIAN_15
from tests.oracle_log import read_log

GUIDE = (ROOT / "docs" / "backup.md").read_text(encoding="utf-8")


def commands(title: str) -> str:
    """Return the commands under a heading, as one script that stops at the first that fails."""
    section = GUIDE.split(f"\n## {title}\n")[1].split("\n## ")[0]
    blocks = re.findall(r"^```sh\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
    assert blocks
    return "".join(["set -eu\n", *blocks])


def run(script: str, folder: Path, *, path: Path | None = None, **settings: str) -> str:
    """Run a script with `cockpit` and PostgreSQL's programs at hand, and return what it prints."""
    (folder / "cockpit").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m cockpit "$@"\n')
    (folder / "cockpit").chmod(0o755)
    ours = {"PATH": os.pathsep.join([str(folder), str(path or "/nowhere"), os.environ["PATH"]]), **settings}
    ran = subprocess.run(
        ["bash", "-c", script],
        cwd=folder,
        env={**environment(folder, {}), **ours},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that everyone may enter, with one for the backups in it."""
    with TemporaryDirectory(prefix="cockpit-guide-") as name:
        Path(name).chmod(0o755)
        (Path(name) / "backups").mkdir()
        yield Path(name)


def test_the_embedded_database_is_backed_up_restored_and_verified_as_the_guide_says(
    folder: Path, sample_data: Path
) -> None:
    copy_data(sample_data, folder)
    backups = folder / "backups"
    told = run(
        commands("The embedded database").replace("/srv/cockpit", str(folder)), folder, BACKUPS=str(backups)
    ).splitlines()
    assert told[0].startswith("Backed up to ")
    assert told[1].startswith(f"Restored into {folder}/restored. Clean: ")
    assert told[2].startswith("Clean: ")
    assert (folder / "restored" / "postgres").is_dir()

    (whole,) = backups.iterdir()
    for age, name in (("40 days ago", "cockpit-old.tar.gz"), ("40 days ago", "cockpit-x.tar.gz.abc.part")):
        subprocess.run(["touch", "-d", age, backups / name], check=True)
    run(commands("On a schedule"), folder, BACKUPS=str(backups))
    assert list(backups.iterdir()) == [whole]


def test_a_database_of_one_s_own_is_dumped_and_restored_as_the_guide_says(
    unchecked_database: str, empty_database: str, folder: Path
) -> None:
    load_sample_data(unchecked_database, folder)
    folded = cockpit("rebuild", folder=folder, database_url=unchecked_database)
    assert folded.returncode == 0, folded.stderr
    with psycopg.connect(unchecked_database) as connection:
        before = read_log(connection)
        found = programs() if connection.info.server_version >= 180000 else DEBIAN_15
    if not (found / "pg_dump").exists():
        pytest.skip("no programs here for the version of the server")
    told = run(
        commands("A PostgreSQL of your own"),
        folder,
        path=found,
        BACKUPS=str(folder / "backups"),
        COCKPIT_DATABASE_URL=unchecked_database,
        EMPTY_DATABASE_URL=empty_database,
    ).splitlines()
    assert told[-2:-1] == ["Nothing to do: the schema is up to date."]
    assert told[-1].startswith(f"Clean: {len(before)} events")
    with psycopg.connect(empty_database) as connection:
        assert read_log(connection) == before
        query = "SELECT has_function_privilege('public', oid, 'execute') FROM pg_proc WHERE proname = 'append_events'"
        assert connection.execute(query).fetchall() == [(False,)]
    answers = [
        cockpit("status", folder=folder, database_url=conninfo).stdout
        for conninfo in (unchecked_database, empty_database)
    ]
    assert answers[0] == answers[1]
