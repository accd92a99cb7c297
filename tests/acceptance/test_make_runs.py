"""The make targets that set up, run and test, each really run in a copy of the checkout, and run again."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest

from tests.acceptance.making import OURS, checkout, environment, made, make
from tests.acceptance.processes import authorization
from tests.integration.owners import DEBIAN_15

TINY = "TESTS=tests/unit/test_hashdiff.py"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return checkout(tmp_path)


def test_the_virtual_environment_is_made_filled_and_kept(home: Path) -> None:
    """Nothing is downloaded: the new environment sees the packages of the one that runs the tests."""

    def run(target: str) -> str:
        ran = make(target, f"PYTHON={sys.executable}", home=home, PATH=_without_uv(home))
        assert ran.returncode == 0, ran.stdout + ran.stderr
        return ran.stdout

    assert run("dev-venv") == ""
    python = home / ".venv/bin/python"
    born = python.lstat().st_ino
    (packages,) = (home / ".venv/lib").glob("python3.*/site-packages")
    (packages / "tests.pth").write_text(sysconfig.get_path("purelib"))
    assert run("dev-venv") == ""
    assert run("dev-setup").startswith("Installing what requirements.lock names")
    assert run("dev-setup") == run("setup") == ""
    assert python.lstat().st_ino == born
    code = "import cockpit; print(cockpit.__file__)"
    ran = subprocess.run([python, "-c", code], cwd="/", capture_output=True, text=True, check=True)
    assert ran.stdout == f"{home}/cockpit/__init__.py\n"
    assert (home / ".venv/bin/cockpit").exists()


def _without_uv(home: Path) -> str:
    """Return a PATH on which a uv is found that does not run, like a dead shim."""
    folder = home / "shims"
    folder.mkdir(exist_ok=True)
    (folder / "uv").write_text("#!/bin/sh\nexit 1\n")
    (folder / "uv").chmod(0o755)
    return f"{folder}:{os.environ['PATH']}"


def test_migrations_fixtures_and_shell_run_twice(home: Path, empty_database: str) -> None:
    def dev(target: str) -> str:
        return made(target, home=home, COCKPIT_DATABASE_URL=empty_database)

    assert "Applied: 0001" in dev("dev-migrate")
    assert "Nothing to do" in dev("dev-migrate")
    assert dev("dev-fixtures") == "27 events appended.\n"
    assert dev("dev-fixtures") == "0 events appended.\n"
    dev("dev-shell")


@contextmanager
def served(target: str, home: Path, **settings: str) -> Iterator[str]:
    """Give the address of what a target serves, until Ctrl-C is typed."""
    with subprocess.Popen(
        ["make", "--no-print-directory", target, *OURS],
        cwd=home,
        env=environment(COCKPIT_PORT="0", **settings),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            assert process.stdout is not None
            url = next(found[1] for line in process.stdout if (found := re.search(r"API +(http://[\d.:]+)/", line)))
            yield url
        finally:
            os.killpg(process.pid, signal.SIGINT)
            said, _ = process.communicate(timeout=30)
    assert "Traceback" not in said
    with pytest.raises(httpx2.TransportError):
        httpx2.get(url)


@pytest.mark.parametrize("target", ["run", "dev-run"])
def test_the_service_comes_up_and_the_next_start_finds_everything_again(
    home: Path, target: str, empty_database: str
) -> None:
    own = {"COCKPIT_DATABASE_URL": empty_database} if target == "dev-run" else {}
    with served(target, home, **own) as url:
        body = {"display_name": "Ada Lovelace", "entity_type": "PERSON"}
        answer = httpx2.post(f"{url}/api/v1/entities", json=body, headers=authorization(url), timeout=10)
        assert answer.status_code == 201
        assert httpx2.get(f"{url}/api/v1/entities", timeout=10).json()["count"] == 12
    assert (home / ".data/postgres").exists() == (target == "run"), "everything is below the checkout"
    with served(target, home, **own) as url:
        assert httpx2.get(f"{url}{answer.headers['Location']}", timeout=10).json() == answer.json()


def test_the_tests_run_again_and_again(home: Path, server: str) -> None:
    for target in ("test", "dev-test"):
        printed = made(target, TINY, home=home, COCKPIT_TEST_DATABASE_URL=server, PYTEST_XDIST_AUTO_NUM_WORKERS="0")
        assert re.search(r"\d+ passed", printed), printed


def test_the_tests_run_on_postgresql_15_or_say_in_one_line_that_it_is_not_there(home: Path) -> None:
    refused = make("test-pg15", TINY, "PG15=/nonexistent", *OURS, home=home)
    assert refused.returncode != 0
    assert refused.stdout == "No PostgreSQL 15 in /nonexistent: set PG15 to where its programs are\n"
    if DEBIAN_15.exists():
        version = home / "tests/unit/test_version.py"
        version.write_text(VERSION)
        printed = made("test-pg15", f"TESTS={version}", home=home, PYTEST_XDIST_AUTO_NUM_WORKERS="0")
        assert "1 passed" in printed, printed


VERSION = '''"""Which PostgreSQL runs the tests."""

import psycopg


def test_it_is_15(server: str) -> None:
    with psycopg.connect(server) as connection:
        assert connection.info.server_version // 10_000 == 15
'''
