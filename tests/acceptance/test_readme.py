"""The README is true: its tour runs as written, its table names every setting, its links lead somewhere."""

from __future__ import annotations

import itertools
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.settings import Settings
from tests.readme import README, as_pattern

HOME = Path(__file__).resolve().parents[2]
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


@pytest.fixture
def service(tmp_path: Path) -> Iterator[str]:
    """The address of a service as `make run` starts it, with a data directory and a port of its own.

    COCKPIT_TEST_SERVICE names one that runs already, COCKPIT_DATABASE_URL its database: as tests/compose.sh does.
    """
    if "COCKPIT_TEST_SERVICE" in os.environ:
        yield os.environ["COCKPIT_TEST_SERVICE"]
        return
    environment = {**os.environ, "COCKPIT_DATA_DIR": str(tmp_path / "data"), "COCKPIT_PORT": "0"}
    command = [sys.executable, "-m", "cockpit", "serve"]
    with subprocess.Popen(command, cwd=HOME, env=environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            banner = iter(process.stdout.readline, "")
            yield next(found[1] for line in banner if (found := re.search(r"API +http://([\d.:]+)/", line)))
        finally:
            process.terminate()
            process.communicate(timeout=30)
    assert process.returncode == 0


def test_the_tour_runs_as_written(service: str, tmp_path: Path) -> None:
    (tmp_path / ".venv").symlink_to(sys.prefix)
    script, expected = ["set -eu"], []
    for (language, text), (following, output) in itertools.pairwise(BLOCKS):
        if language == "sh":
            assert following == "text", "every step of the tour shows what it prints"
            script.append(text.replace("127.0.0.1:8000", service))
            expected.append(output)
    assert expected
    environment = {**os.environ, "COCKPIT_DATA_DIR": str(tmp_path / "data")}
    ran = subprocess.run(
        ["bash", "-c", "\necho ---\n".join(script)],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert ran.returncode == 0, ran.stderr
    steps = ran.stdout.split("---\n")[1:]
    assert len(steps) == len(expected)
    for printed, wanted in zip(steps, expected, strict=True):
        assert re.fullmatch(as_pattern(wanted), printed.rstrip("\n"), re.DOTALL), printed


def test_the_settings_table_names_every_setting_and_no_other() -> None:
    named = set(re.findall(r"`(COCKPIT_\w+)`", README.split("## Configuration")[1].split("## Troubleshooting")[0]))
    assert named == {f"COCKPIT_{name.upper()}" for name in Settings.model_fields}


def test_the_links_lead_somewhere() -> None:
    missing = [path for path in re.findall(r"\]\(([^)#:]+)\)", README) if not (HOME / path).exists()]
    assert missing == []


def test_every_room_on_the_map_is_there() -> None:
    rooms = re.findall(r"^\| `(\w+/(?:\w+/)?)` \|", README, re.MULTILINE)
    assert rooms
    assert [room for room in rooms if not (HOME / room).is_dir()] == []
