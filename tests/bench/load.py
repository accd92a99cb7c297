"""Load, from a process of its own: wrk where there is one and all that counts is how many; else the bundled client.

What is asked stands in a file of lines: a path each, and after a tab the ETag it may be asked with once. In the body
`{n}` is a number that no other request of the run has. Only an answer of the expected status counts as one.
"""

from __future__ import annotations

import itertools
import shutil
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec
from msgspec import Struct

from tests.bench.client import Plan, Report
from tests.bench.stand import ROOT, Stand, leashed

CONNECTIONS = 64
CLIENT = (sys.executable, "-m", "tests.bench.client")
SCRIPT = Path(__file__).with_name("wrk.lua")
_files = itertools.count()
numbers = itertools.count(step=10_000_000)


class WrongAnswers(Exception):
    """Some answers were not what they had to be: what was measured says nothing."""


class Asking(Struct, frozen=True):
    """What to ask, over and over."""

    lines: Path
    status: int = 200
    method: str = "GET"
    body: str = ""
    token: str = ""


class Answered(Struct, frozen=True):
    """How many were answered in how many seconds; times in milliseconds. Exact: nothing was under way at the end."""

    answers: int
    seconds: float
    p50: float
    p99: float
    exact: bool
    longest: float = 0.0

    @property
    def rate(self) -> float:
        return self.answers / self.seconds


class Tally(Struct, frozen=True):
    """What wrk tells; it cannot tell one good status from another."""

    answered: int
    bad: int
    broken: int
    seconds: float
    p50: float
    p99: float


def has_wrk() -> bool:
    return shutil.which("wrk") is not None


def asking(
    stand: Stand,
    lines: Iterable[str | tuple[str, str]],
    status: int = 200,
    method: str = "GET",
    body: str = "",
    token: str = "",
) -> Asking:
    """Write down what to ask."""
    file = stand.folder / f"lines-{next(_files)}"
    file.write_text("".join((line if isinstance(line, str) else "\t".join(line)) + "\n" for line in lines))
    return Asking(file, status, method, body, token)


def ask_all_out(url: str, what: Asking, seconds: float, *, connections: int = CONNECTIONS, after: int = 0) -> Answered:
    """Ask as fast as answers come. Raises WrongAnswers."""
    if not has_wrk() or seconds < 1:  # wrk counts in whole seconds
        return ask(url, what, seconds, connections=connections, after=after)
    body = what.lines.with_suffix(".body")
    body.write_text(what.body)
    arguments = [what.method, str(what.lines), str(body), str(next(numbers)), what.token, str(after)]
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds:.0f}s", "--timeout", "30s", "-s", str(SCRIPT), url]
    told = msgspec.json.decode(run([*command, "--", *arguments]).strip().splitlines()[-1], type=Tally)
    if told.bad or told.broken:
        raise WrongAnswers(
            f"{what.method}: of {told.answered} answers {told.bad} were refused, {told.broken} broken off"
        )
    return Answered(told.answered, told.seconds, told.p50, told.p99, exact=False)


def plan(
    url: str, what: Asking, seconds: float, *, connections: int = CONNECTIONS, rate: float = 0.0, after: int = 0
) -> Plan:
    """Return what the bundled client is to do; with a rate it asks so often a second, whatever the answers do."""
    return Plan(
        url, what.method, str(what.lines), what.body, what.token, next(numbers), after, connections, seconds, rate
    )


def ask(
    url: str, what: Asking, seconds: float, *, connections: int = CONNECTIONS, rate: float = 0.0, after: int = 0
) -> Answered:
    """Let the bundled client ask. Raises WrongAnswers."""
    doing = plan(url, what, seconds, connections=connections, rate=rate, after=after)
    return judged(what, run(CLIENT, msgspec.json.encode(doing)))


class Beside:
    """The bundled client at work while something else is looked at."""

    def __init__(self, url: str, what: Asking, seconds: float, *, rate: float, connections: int = CONNECTIONS) -> None:
        self._what = what
        self._client = leashed(CLIENT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT)
        assert self._client.stdin is not None
        doing = plan(url, what, seconds, connections=connections, rate=rate)
        self._client.stdin.write(msgspec.json.encode(doing))
        self._client.stdin.close()

    @property
    def is_at_it(self) -> bool:
        return self._client.poll() is None

    def result(self) -> Answered:
        """Wait for the end, and return what came of it. Raises WrongAnswers."""
        assert self._client.stdout is not None
        with self._client.stdout as said:
            told = said.read()
        if self._client.wait() != 0:
            raise WrongAnswers(f"the client ended with {self._client.returncode}")
        return judged(self._what, told)


def judged(what: Asking, told: bytes) -> Answered:
    """Return what the bundled client told. Raises WrongAnswers."""
    report = msgspec.json.decode(told, type=Report)
    good = report.statuses.get(what.status, 0)
    if report.statuses.keys() != {what.status} or report.broken:
        raise WrongAnswers(f"{what.method}: {report.statuses}, {report.broken} without an answer")
    return Answered(good, report.seconds, report.p50, report.p99, exact=True, longest=report.longest)


def run(command: Sequence[str], given: bytes = b"") -> bytes:
    """Run a program of the benchmark to its end and return what it said. Raises WrongAnswers when it fails."""
    running = leashed(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT)
    try:
        said, errors = running.communicate(given)
    finally:
        running.kill()
        running.wait()
    if running.returncode != 0:
        raise WrongAnswers(f"{command[0]} ended with {running.returncode}: {errors.decode().strip().splitlines()[-1:]}")
    return said
