"""An export of many: whole or not there, quiet when nobody reads on, flat in memory."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from tests.acceptance.processes import cockpit, environment

MEMORY = (
    "import pathlib, re, sys; from cockpit.__main__ import cli; cli(standalone_mode=False);"
    "sys.stderr.write(re.search(r'VmHWM:\\s+(\\d+) kB', pathlib.Path('/proc/self/status').read_text())[1])"
)
"""Run the command line, and tell at the end how much memory it ever had, in KiB."""


def test_what_breaks_off_leaves_no_file(filled: str, tmp_path: Path) -> None:
    """None of the details of this database is of a registered type: a table has no column for them."""
    path = tmp_path / "entities.csv"
    arguments = ("entities", "--format", "csv", "--output", str(path))
    done = cockpit("export", *arguments, folder=tmp_path, database_url=filled)
    assert done.returncode == 1
    assert "no column for EMAIL" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_who_stops_reading_hears_nothing(filled: str, tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "cockpit", "export", "entities"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=tmp_path,
        env=environment(tmp_path, {"database_url": filled}),
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert json.loads(process.stdout.readline())["entity_type"] in {"PERSON", "INSTITUTION"}
        process.stdout.close()
        assert process.wait(30) == 1
        assert process.stderr.read() == b""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux says how much memory a process had")
def test_memory_does_not_follow_what_is_exported(filled: str, tmp_path: Path) -> None:
    with psycopg.connect(filled) as connection:
        assert connection.execute("SELECT count(*) FROM read_model.entity_head").fetchone() == (100_000,)
    used, size = [], 0
    for entities in (20_000, 60_000):
        done = subprocess.run(
            [sys.executable, "-c", MEMORY, "export", "entities", "--position", str(entities), "--output", "entities"],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env=environment(tmp_path, {"database_url": filled}),
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        size = (tmp_path / "entities").stat().st_size
        assert done.stderr.startswith(f"{entities} entities exported")
        used.append(int(done.stderr.split()[-1]))
    assert size > 30 * 2**20
    assert used[1] < used[0] + 8 * 1024, used
