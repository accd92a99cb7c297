"""Real `cockpit` processes: started with an environment of their own, waited for by what they say, always ended."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx2
import pytest

START_SECONDS = 60.0
JOHN = "4f8c10a3-029a-4cec-b324-2faaac7f8c45"
"""An entity of the sample data."""


def until(
    condition: Callable[[], object], seconds: float, what: Callable[[], str] = lambda: "", *, every: float = 0.005
) -> None:
    """Wait until the condition holds, looked at so often; fail with `what` when it does not within so many seconds."""
    give_up = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < give_up, f"not so within {seconds} s {what()}"
        time.sleep(every)


def environment(folder: Path, settings: Mapping[str, object]) -> dict[str, str]:
    """Return this process's environment with just these settings of ours, by name without COCKPIT_."""
    ours = {f"COCKPIT_{name.upper()}": str(value) for name, value in settings.items()}
    rest = {name: value for name, value in os.environ.items() if not name.startswith("COCKPIT_")}
    return {**rest, "COCKPIT_PORT": "0", "COCKPIT_DATA_DIR": str(folder / "data"), "COLUMNS": "200", **ours}


class Process:
    """One `cockpit` command at work: what it says, where it answers, how it ends."""

    def __init__(
        self,
        arguments: Sequence[str],
        folder: Path,
        settings: Mapping[str, object],
        *,
        python: str = sys.executable,
        **popen: Any,
    ) -> None:
        self.folder = folder
        self.data = folder / "data"
        name = f"{arguments[0]}-{time.monotonic_ns()}"
        self._stdout, self._stderr = folder / f"{name}.out", folder / f"{name}.err"
        self.started_at = time.monotonic()
        with self._stdout.open("wb") as out, self._stderr.open("wb") as err:
            self._popen = subprocess.Popen(
                [python, "-m", "cockpit", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                cwd=folder,
                **{"env": environment(folder, settings), **popen},
            )

    @property
    def pid(self) -> int:
        return self._popen.pid

    @property
    def said(self) -> str:
        """What it has written to standard output so far."""
        return self._stdout.read_text()

    @property
    def errors(self) -> str:
        """What it has written to standard error so far: its log, and why it ended."""
        return self._stderr.read_text()

    def wait_for(self, pattern: str, seconds: float = START_SECONDS) -> re.Match[str]:
        """Wait until it has said or logged something, and return that."""
        found: list[re.Match[str]] = []

        def look() -> bool:
            has_ended = self._popen.poll() is not None
            match = re.search(pattern, self.said + self.errors)
            assert match or not has_ended, f"it ended with {self._popen.returncode}: {self.errors[-3000:]}"
            found.extend([match] if match else [])
            return match is not None

        until(look, seconds, lambda: f"{pattern}: {self.errors[-3000:]}", every=0.02)  # each look reads two files
        return found[0]

    @property
    def url(self) -> str:
        """The address it answers at, as its banner says; waits for the banner."""
        return self.wait_for(r"API +(http://\S+)/api/v1/entities").group(1)

    @property
    def has_ended(self) -> bool:
        """Whether it has come to its end."""
        return self._popen.poll() is not None

    def wait(self, seconds: float = 30) -> int:
        """Return its exit code once it has ended by itself."""
        return self._popen.wait(seconds)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """End it as an operator does and return its exit code."""
        self._popen.send_signal(number)
        return self.wait()

    def kill(self) -> None:
        """End it as a crash does."""
        self._popen.kill()
        self._popen.wait()


@contextmanager
def running(*arguments: str, folder: Path, **settings: object) -> Iterator[Process]:
    """Give a `cockpit` command at work; at the end it is stopped, and killed if that does not do."""
    process = Process(arguments, folder, settings)
    try:
        yield process
    finally:
        with suppress(subprocess.TimeoutExpired):
            process.stop()
        process.kill()


def cockpit(*arguments: str, folder: Path, typed: str = "", **settings: object) -> subprocess.CompletedProcess[str]:
    """Run a `cockpit` command to its end."""
    return subprocess.run(
        [sys.executable, "-m", "cockpit", *arguments],
        input=typed,
        capture_output=True,
        text=True,
        cwd=folder,
        env=environment(folder, settings),
        timeout=60,
        check=False,
    )


def copy_data(data: Path, folder: Path) -> Path:
    """Give a folder a copy of a data directory that nothing runs in, its owner and modes kept; return the folder."""
    subprocess.run(["cp", "-Rp", data, folder / "data"], check=True)
    return folder


def load_sample_data(database: str, folder: Path) -> None:
    """Bring the sample data into a database of the test's own."""
    done = cockpit("fixtures", folder=folder, database_url=database)
    assert done.returncode == 0, done.stderr


def authorization(url: str) -> dict[str, str]:
    """Log in as the sample user and return the header that says so."""
    answer = httpx2.post(f"{url}/api/v1/auth/token", json={"username": "user_1", "password": "1234"}, timeout=10)
    assert answer.status_code == 200, answer.text
    return {"Authorization": f"Token {answer.json()['token']}"}


def is_ready(url: str) -> bool:
    """Whether the service there has a database and a projector."""
    with suppress(httpx2.TransportError):
        return httpx2.get(f"{url}/readyz", timeout=5).status_code == 200
    return False


def servers_in(data: Path) -> list[int]:
    """Return the PostgreSQL processes that run in a data directory."""
    if not Path("/proc/self").exists():
        pytest.skip("only Linux says which processes run in a directory")
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if (process / "cwd").samefile(data / "postgres"):
                found.append(int(process.name))
    return found
