"""Run a command anew whenever a source file is saved: for development, with nothing to install."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import FrameType

HOME = Path(__file__).resolve().parents[1]
PACKAGES = ("cockpit", "db", "projector", "read_side", "shared", "write_side")
SUFFIXES = {".py", ".sql", ".html", ".css", ".js"}
LOOK_SECONDS = 0.3


def run(command: Sequence[str], home: Path = HOME) -> int:
    """Run the command until SIGINT or SIGTERM, and start it anew after a save below `home`; return its exit code.

    A command that ends by itself is not started again before the next save; when its first run does, that is the end.
    """
    stopping = False

    def stop(_number: int, _frame: FrameType | None) -> None:
        nonlocal stopping
        stopping = True

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    first = True
    while True:
        seen = _saved(home)
        process = subprocess.Popen(command)  # noqa: S603  # our own command line
        while not stopping and _saved(home) == seen and not (first and process.poll() is not None):
            time.sleep(LOOK_SECONDS)
        ended = process.poll() is not None
        if not ended:
            process.terminate()
        code = process.wait()
        if stopping or (first and ended):
            return code
        print("A source file was saved: starting anew.", flush=True)  # noqa: T201
        first = False


def _saved(home: Path) -> Mapping[Path, int]:
    """Return when each source file was saved last."""
    times = {}
    for package in PACKAGES:
        for path in (home / package).rglob("*"):
            if path.suffix in SUFFIXES:
                try:
                    times[path] = path.stat().st_mtime_ns
                except FileNotFoundError:  # an editor's file that is gone again
                    continue
    return times
