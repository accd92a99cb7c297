"""Promises name the tests that prove them; a run of the whole suite fails when one of those did not run and pass.

The lists are the tables of docs/original.md and the rules of tests/acceptance/ours.py. `Watch` is the plugin, hooked in
by conftest.py in the process that steers; a run of a part of the suite judges only what ran.
"""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import pytest

from tests.acceptance.ours import OURS
from tests.architecture import ROOT

DOCUMENT = "docs/original.md"
TEST = re.compile(r"tests/\w[\w/]*\.py::\w+")
CELL = re.compile(r"(?<!\\)\|")
NARROWING = ("keyword", "markexpr", "deselect", "ignore", "ignore_glob", "lf", "stepwise")


@dataclass(frozen=True)
class Promise:
    """What is promised, and the ids of the tests that prove it, parameters left out."""

    text: str
    tests: tuple[str, ...]


Outcomes = Mapping[str, set[str]]
"""By the id of a test, without parameters: every outcome that it had."""


def rows(document: str) -> Iterator[tuple[str, str, str]]:
    """Give the rows of the tables of three columns: what was promised, what is here, and its proof."""
    for line in document.splitlines():
        cells = [cell.strip() for cell in CELL.split(line)[1:-1]]
        if len(cells) == 3 and cells[2] != "proof" and set(cells[2]) != {"-"}:
            yield cells[0], cells[1], cells[2]


def promises(document: str) -> list[Promise]:
    """Return what the tables of a document promise."""
    return [Promise(promised, tuple(TEST.findall(proof))) for promised, _, proof in rows(document)]


def lists() -> dict[str, list[Promise]]:
    """Return every list of promises by the file that holds it."""
    ours = [Promise(rule, (f"tests/{file}.py::{test}",)) for rule, file, test in OURS]
    return {DOCUMENT: promises((ROOT / DOCUMENT).read_text(encoding="utf-8")), "tests/acceptance/ours.py": ours}


def without_test(found: Iterable[Promise]) -> list[str]:
    """Return the ids that name no test function."""
    ids = sorted({test for promise in found for test in promise.tests})
    return [test for test in ids if test.partition("::")[2] not in _functions(test.partition("::")[0])]


def _functions(path: str) -> set[str]:
    file = ROOT / path
    tree = ast.parse(file.read_text(encoding="utf-8")) if file.exists() else ast.Module([], [])
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


def broken(promise: Promise, outcomes: Outcomes, *, whole: bool) -> list[str]:
    """Return how the tests of a promise did not prove it; that one did not run is wrong in a run of the whole suite."""
    wrong = []
    for test in promise.tests:
        if whole and test not in outcomes:
            wrong.append(f"{promise.text}: {test} did not run")
        wrong += [f"{promise.text}: {test} {how}" for how in sorted(outcomes.get(test, set()) - {"passed"})]
    return wrong


def is_whole(config: pytest.Config) -> bool:
    """Whether a run was asked to be of the whole suite."""
    folders = {(config.invocation_params.dir / argument.partition("::")[0]).resolve() for argument in config.args}
    return bool(folders & {ROOT, ROOT / "tests"}) and not any(config.getoption(name, None) for name in NARROWING)


class Watch:
    """Takes down how tests end, and ends the session in red when a promise has no proof."""

    def __init__(self, lists: Mapping[str, Sequence[Promise]], *, whole: bool) -> None:
        self._lists, self._whole = lists, whole
        self._outcomes: dict[str, set[str]] = defaultdict(set)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take down how a test ended; what goes well before and after it tells nothing."""
        if report.when == "call" or report.outcome != "passed":
            self._outcomes[report.nodeid.partition("[")[0]].add(report.outcome)

    def _broken(self, name: str) -> list[str]:
        return [line for promise in self._lists[name] for line in broken(promise, self._outcomes, whole=self._whole)]

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Let no session pass that leaves a promise without its proof."""
        if session.exitstatus == pytest.ExitCode.OK and any(self._broken(name) for name in self._lists):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Name every promise without its proof; one line a list where all is well."""
        for name, found in self._lists.items():
            ran = [promise for promise in found if self._whole or not self._outcomes.keys().isdisjoint(promise.tests)]
            wrong = self._broken(name)
            if wrong:
                terminalreporter.section(f"{name}: promises without proof", red=True)
                for line in wrong:
                    terminalreporter.line(line, red=True)
            elif ran:
                of = "" if len(ran) == len(found) else f" of {len(found)}"
                terminalreporter.line(f"{name}: {len(ran)}{of} rows, all green")
