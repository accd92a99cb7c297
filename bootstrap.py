"""Make `.venv` hold exactly what requirements.lock names; run by every make target, quick when nothing changed.

With `--empty` it only makes sure that `.venv` is there; with `--bench` it adds what the benchmark compares with. uv is
used where it works; else `python3 -m venv` and pip.
Standard library only: it runs before anything is installed.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

HOME = Path(__file__).resolve().parent
VENV = HOME / ".venv"
LOCK = HOME / "requirements.lock"
BENCH = HOME / "tests" / "bench" / "requirements.lock"
STAMP = VENV / ".installed"
OLDEST, NEWEST = (3, 11), (3, 14)


def runs(*command: str) -> bool:
    """Say whether the command exists and ends well (a dead shim is found by `which` and still does not run)."""
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0  # noqa: S603
    except OSError:
        return False


def do(*command: str) -> None:
    """Run a command, its output kept out of sight unless it fails."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)  # noqa: S603
    if done.returncode != 0:
        sys.exit(f"{done.stdout}\nbootstrap: this command failed: {' '.join(command)}")


def installer(python: str) -> list[str]:
    """Return the command that installs into `.venv`, which is made where it is missing or of another Python."""
    ours = str(VENV / "bin" / "python")
    same = f"import sys; sys.exit(sys.version_info[:2] != {sys.version_info[:2]})"
    fresh = not runs(ours, "-c", same)
    if runs("uv", "--version"):
        if fresh:
            do("uv", "venv", "--quiet", "--clear", "--python", python, str(VENV))
        return ["uv", "pip", "install", "--python", ours]
    if fresh and not runs(python, "-c", "import ensurepip"):
        if os.geteuid() != 0 or not shutil.which("apt-get"):
            sys.exit(f"bootstrap: {python} lacks ensurepip: install your system's python3-venv package, or uv")
        do("apt-get", "update", "-q")
        do("apt-get", "install", "-q", "-y", "--no-install-recommends", "python3-venv")
    if fresh or not runs(ours, "-m", "pip", "--version"):
        do(python, "-m", "venv", "--clear", str(VENV))
    return [ours, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]


def main() -> None:
    """Install when the lock file, the project file or the interpreter changed since the last time."""
    if not OLDEST <= sys.version_info[:2] <= NEWEST:
        sys.exit(f"bootstrap: Python 3.11 to 3.14 is needed, this is {sys.version.split()[0]}; try PYTHON=python3.13")
    if sys.argv[1:] == ["--empty"]:
        installer(sys.executable)
        return
    if sys.argv[1:] == ["--bench"]:
        do(*installer(sys.executable), "--no-deps", "--require-hashes", "-r", str(BENCH))
        return
    wanted = hashlib.sha256(LOCK.read_bytes() + (HOME / "pyproject.toml").read_bytes() + str(HOME).encode()).hexdigest()
    if STAMP.exists() and STAMP.read_text() == wanted and runs(str(VENV / "bin" / "python"), "-c", "import cockpit"):
        return
    print("Installing what requirements.lock names into .venv ...", flush=True)  # noqa: T201
    install = installer(sys.executable)
    do(*install, "--require-hashes", "-r", str(LOCK))
    do(*install, "--no-deps", "--no-build-isolation", "-e", str(HOME))
    STAMP.write_text(wanted)


if __name__ == "__main__":
    main()
