"""The make targets that judge and write our files, each really run in a copy of the checkout, and run again."""

from __future__ import annotations

import os
import re
import shutil
import sys
from pathlib import Path

import pytest

from tests.acceptance.making import HOME, checkout, made, make

BIN = Path(sys.executable).parent
CHECKS = ["ruff format --check .", "ruff check .", "mypy", "lint-imports --no-cache"]
CHECKS.append("cockpit openapi --check docs/openapi.json")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return checkout(tmp_path)


def shims(folder: Path, *names: str, real: str = "") -> Path:
    """Make programs that write down how they were called and end well; all but the real one."""
    folder.mkdir(exist_ok=True)
    for name in names:
        run = f'exec {BIN}/{name} "$@"' if name == real else "exit 0"
        (folder / name).write_text(f'#!/bin/sh\necho {name} "$@" >> {folder}/called\n{run}\n')
        (folder / name).chmod(0o755)
    return folder


def test_check_runs_its_five_tools(home: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    programs = shims(tmp_path_factory.mktemp("bin"), *{check.split()[0] for check in CHECKS})
    for _ in range(2):
        assert make("check", f"BIN={programs}", "PYTHON=true", home=home).returncode == 0
    assert (programs / "called").read_text().splitlines() == CHECKS * 2


@pytest.mark.parametrize(
    ("tool", "place", "fault", "said"),
    [
        ("ruff", "shared/core/wrong.py", '"""A."""\n\nx=1\n', "1 file would be reformatted"),
        ("ruff", "shared/core/wrong.py", '"""A."""\n\nimport os\n', "F401"),
        ("mypy", "shared/__init__.py", '"""A."""\n\nx: int = ""\n', "Incompatible types in assignment"),
        (
            "lint-imports",
            "shared/core/wrong.py",
            '"""A."""\n\nimport psycopg\n',
            "shared.core is not allowed to import",
        ),
        ("cockpit", "docs/openapi.json", "{}\n", "docs/openapi.json"),
    ],
    ids=CHECKS,
)
def test_check_fails_for_a_fault_of_each_kind(
    home: Path, tmp_path_factory: pytest.TempPathFactory, tool: str, place: str, fault: str, said: str
) -> None:
    programs = shims(tmp_path_factory.mktemp("bin"), *{check.split()[0] for check in CHECKS}, real=tool)
    if tool == "mypy":  # the rest of the house would take it half a minute
        for package in ("cockpit", "db", "projector", "read_side", "shared", "tests", "write_side"):
            shutil.rmtree(home / package)
            (home / package).mkdir()
            (home / package / "__init__.py").write_text('"""Empty."""\n')
    (home / place).write_text(fault)
    checked = make("check", f"BIN={programs}", "PYTHON=true", home=home, PYTHONPATH=str(home))
    assert checked.returncode != 0
    assert said in checked.stdout + checked.stderr
    (last,) = (programs / "called").read_text().splitlines()[-1:]
    assert last.startswith(tool), "nothing is checked after a fault"


def test_format_puts_the_code_in_shape(home: Path) -> None:
    crooked = home / "shared/core/crooked.py"
    crooked.write_text('"""A."""\nimport os\nx=[1 ,\n2]\n')
    assert "1 file reformatted" in made("format", home=home)
    assert crooked.read_text() == '"""A."""\n\nx = [1, 2]\n'
    assert "1 file reformatted" not in made("format", home=home)
    assert crooked.read_text() == '"""A."""\n\nx = [1, 2]\n'


def test_openapi_writes_the_document_anew(home: Path) -> None:
    document = home / "docs/openapi.json"
    for before in ("{}", document.read_text()):
        document.write_text(before)
        made("openapi", home=home)
        assert document.read_text() == (HOME / "docs/openapi.json").read_text()
    assert not document.with_suffix(".json.new").exists()


def test_fuzz_throws_what_it_is_told_to(home: Path, server: str) -> None:
    printed = made(
        "fuzz", "EXAMPLES=1", home=home, FUZZ_SEED="7", PYTEST_ADDOPTS="-k livez", COCKPIT_TEST_DATABASE_URL=server
    )
    assert "fuzz: 1 examples an operation, seed 7" in printed
    assert re.search(r"\d+ passed", printed)
    assert "GET /livez " in printed, "it shows what each operation answered"


def test_lock_says_in_one_line_that_it_needs_uv(home: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    dead = tmp_path_factory.mktemp("bin") / "uv"
    dead.write_text("#!/bin/sh\nexit 127\n")
    dead.chmod(0o755)
    ran = make("lock", "PYTHON=true", home=home, PATH=f"{dead.parent}:{os.environ['PATH']}")
    assert ran.returncode != 0
    assert ran.stdout == "This needs uv, and it does not run\n"
    assert (home / "requirements.lock").read_text() == (HOME / "requirements.lock").read_text()


def test_lock_asks_uv_for_every_platform_and_every_hash(home: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    programs = shims(tmp_path_factory.mktemp("bin"), "uv")
    for _ in range(2):
        made("lock", home=home, PATH=f"{programs}:{os.environ['PATH']}")
    called = (programs / "called").read_text()
    assert called.count("--universal --generate-hashes") == 4
    assert called.count("--group bench --output-file tests/bench/requirements.lock") == 2
    assert called.count("--output-file requirements.lock pyproject.toml") == 2
