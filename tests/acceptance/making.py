"""Make, run as a user runs it: in a copy of the checkout, with nothing of an outer make and no engine."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.architecture import tracked_files

HOME = Path(__file__).resolve().parents[2]
OURS = (f"BIN={Path(sys.executable).parent}", "PYTHON=true")
"""Variables that let a target use the environment which runs the tests, instead of one of its own."""


def environment(**more: str) -> dict[str, str]:
    """Return what make finds in its environment: nothing of an outer make, of pytest or of our settings."""
    ours = ("MAKE", "MFLAGS", "COCKPIT_", "PYTEST_", "COVERAGE")
    outer = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return {**outer, "DOCKER_HOST": "unix:///nonexistent", **more}


def make(*arguments: str, home: Path = HOME, **more: str) -> subprocess.CompletedProcess[str]:
    """Run make in a checkout to its end."""
    return subprocess.run(
        ["make", "--no-print-directory", *arguments],
        cwd=home,
        env=environment(**more),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def made(*arguments: str, home: Path, **more: str) -> str:
    """Run make with the tests' own environment, which must end well, and return what it printed."""
    ran = make(*arguments, *OURS, home=home, **more)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


def checkout(to: Path) -> Path:
    """Copy the files of the repository, with the env file of the README."""
    for name in tracked_files():
        (to / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(HOME / name, to / name)
    shutil.copy(HOME / "env.example", to / ".env")
    return to
