"""The watch over the promises finds what it is for: a proof that is missing, skipped or red."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests import promises
from tests.architecture import ROOT
from tests.promises import Promise, broken

PROMISE = Promise("Ping", ("tests/a.py::test_a", "tests/b.py::test_b"))
GREEN = {"tests/a.py::test_a": {"passed"}, "tests/b.py::test_b": {"passed"}}
SUITE = """
import pytest

def test_green():
    pass

@pytest.mark.parametrize("n", [1, 2])
def test_skipped_once(n):
    if n == 2:
        pytest.skip("not here")

@pytest.fixture
def bad():
    yield
    raise ValueError

def test_red_afterwards(bad):
    pass
"""
PLUGIN = """
from tests.promises import Promise, Watch

def pytest_configure(config):
    if not hasattr(config, "workerinput"):
        promised = {promised}
        rows = [Promise(name, (f"test_it.py::test_{{name}}",)) for name in promised]
        config.pluginmanager.register(Watch({{"the list": rows}}, whole={whole}))
"""

WHOLE = ["", "tests", "tests/", "tests -n 2", "tests/unit tests"]
NARROWED = [
    "tests/unit",
    "tests/unit/test_diff.py::test_x",
    "tests -k x",
    "tests -m slow",
    "tests --deselect tests/a.py",
    "tests --ignore tests/unit",
    "tests --lf",
]
ASK = """
import sys
import pytest
from tests.promises import is_whole

class Asked:
    def pytest_cmdline_main(self, config):
        print(f"{words}: {is_whole(config)}")
        return 0

for words in sys.argv[1:]:
    pytest.main(words.split(), plugins=[Asked()])
"""


@pytest.mark.parametrize(
    ("outcomes", "wrong"),
    [
        (GREEN, []),
        ({**GREEN, "tests/b.py::test_b": {"passed", "skipped"}}, ["Ping: tests/b.py::test_b skipped"]),
        ({**GREEN, "tests/b.py::test_b": {"passed", "failed"}}, ["Ping: tests/b.py::test_b failed"]),
        ({"tests/a.py::test_a": {"passed"}}, ["Ping: tests/b.py::test_b did not run"]),
    ],
    ids=["green", "skipped", "red", "missing"],
)
def test_a_promise_is_broken_by_a_test_that_is_missing_skipped_or_red(
    outcomes: dict[str, set[str]], wrong: list[str]
) -> None:
    assert broken(PROMISE, outcomes, whole=True) == wrong


def test_in_a_run_of_a_part_only_what_ran_counts() -> None:
    assert broken(PROMISE, {"tests/a.py::test_a": {"passed"}}, whole=False) == []
    assert broken(PROMISE, {"tests/a.py::test_a": {"failed"}}, whole=False) == ["Ping: tests/a.py::test_a failed"]


def test_a_table_of_three_columns_is_read_row_by_row() -> None:
    document = (
        "| promised | here | proof |\n|---|---|---|\n"
        "| a | `b \\| c` | `tests/unit/test_x.py::test_y`, `tests/test_z.py::test_z` |\n| d | e | why |\n| f | g |\n"
    )
    assert promises.promises(document) == [
        Promise("a", ("tests/unit/test_x.py::test_y", "tests/test_z.py::test_z")),
        Promise("d", ()),
    ]


def test_an_id_that_names_no_test_is_found() -> None:
    here = Path(__file__).relative_to(ROOT)
    ids = (f"{here}::test_an_id_that_names_no_test_is_found", f"{here}::test_gone", "tests/test_gone.py::test_x")
    assert promises.without_test([Promise("x", ids)]) == ["tests/test_gone.py::test_x", f"{here}::test_gone"]


def run(folder: Path, promised: list[str], *arguments: str, whole: bool = True) -> subprocess.CompletedProcess[str]:
    """Run the suite above, with a list of promises by the name of their test."""
    (folder / "test_it.py").write_text(SUITE)
    (folder / "conftest.py").write_text(PLUGIN.format(promised=promised, whole=whole))
    (folder / "pytest.ini").write_text("[pytest]\n")
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.mark.parametrize("workers", [(), ("-p", "xdist", "-n", "2")], ids=["alone", "xdist"])
def test_a_session_that_is_green_otherwise_fails_and_names_the_rows(tmp_path: Path, workers: tuple[str, ...]) -> None:
    ran = run(tmp_path, ["green", "skipped_once", "gone"], "--deselect", "test_it.py::test_red_afterwards", *workers)
    assert ran.returncode == pytest.ExitCode.TESTS_FAILED, ran.stderr
    _, _, told = ran.stdout.partition(" the list: promises without proof ")
    assert told.splitlines()[1:3] == [
        "skipped_once: test_it.py::test_skipped_once skipped",
        "gone: test_it.py::test_gone did not run",
    ], ran.stdout


def test_what_fails_after_the_test_breaks_its_promise(tmp_path: Path) -> None:
    ran = run(tmp_path, ["red_afterwards"])
    assert "red_afterwards: test_it.py::test_red_afterwards failed" in ran.stdout.splitlines()


def test_a_session_that_keeps_its_promises_says_so_and_passes(tmp_path: Path) -> None:
    ran = run(tmp_path, ["green"], "-k", "green")
    assert (ran.returncode, "the list: 1 rows, all green" in ran.stdout) == (0, True)
    ran = run(tmp_path, ["green", "gone"], "-k", "green", whole=False)
    assert (ran.returncode, "the list: 1 of 2 rows, all green" in ran.stdout) == (0, True)


def test_a_run_is_of_the_whole_suite_unless_it_was_narrowed() -> None:
    asked = [*WHOLE, *NARROWED]
    shown = subprocess.run(
        [sys.executable, "-c", ASK, *asked], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60
    )
    assert shown.returncode == 0, shown.stderr
    assert shown.stdout.splitlines() == [f"{words}: {words in WHOLE}" for words in asked]
