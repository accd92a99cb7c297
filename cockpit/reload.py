"""Run the service anew whenever a source file is saved: for development, with nothing to install.

Most of a start is loading the libraries. This process loads them once and forks; the child loads our own modules.
"""

from __future__ import annotations

import multiprocessing
import signal
import sys
import time
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from types import FrameType

HOME = Path(__file__).resolve().parents[1]
PACKAGES = ("cockpit", "db", "projector", "read_side", "shared", "write_side")
SUFFIXES = {".py", ".sql", ".html", ".css", ".js"}
LIBRARIES = (
    "argon2",
    "fastapi_offline",
    "jinja2",
    "psycopg",
    "psycopg_pool",
    "pydantic_settings",
    "rich.table",
    "structlog",
    "typer",
    "uvicorn.protocols.http.httptools_impl",
    "uvloop",
)
LOOK_SECONDS = 0.2
AGAIN_SECONDS = 1.0


def run(start: Callable[[], None], home: Path = HOME) -> int:
    """Run `start` in a child until SIGINT or SIGTERM, anew after each save below `home`; return its exit code.

    A child that ends by itself is not started again before the next save; when the first one does, that is the end.
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
        child = multiprocessing.get_context("fork").Process(target=_child, args=(start,))
        child.start()
        while not stopping and _saved(home) == seen and (child.is_alive() or not first):
            time.sleep(LOOK_SECONDS)
        ended = not child.is_alive()
        while child.is_alive():  # again, because a signal between the fork and the child's first line is lost
            child.terminate()
            child.join(AGAIN_SECONDS)
        if stopping or (first and ended):
            return child.exitcode or 0
        print("A source file was saved: starting anew.", flush=True)  # noqa: T201
        first = False


def _child(start: Callable[[], None]) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    start()


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


def _serve() -> None:
    sys.argv[1:] = ["serve"]
    import_module("cockpit.__main__").main()


def main() -> None:
    """Load the libraries and none of our modules, so that each child loads those as they are then."""
    for name in LIBRARIES:
        import_module(name)
    sys.exit(run(_serve))


if __name__ == "__main__":
    main()
