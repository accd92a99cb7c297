"""Where a run was made, and with what."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import quantiles
from typing import Any

import psycopg

from tests.bench.stand import ROOT, Stand

BUSY = 1.0
"""From which load on a machine is not one's own."""
UNEVEN = 1.3
"""From how many times as long on a loop tells of others, too: they can share a core that no load is told of."""
LIBRARIES = ("cockpit", "uvicorn", "uvloop", "httptools", "fastapi", "starlette", "psycopg", "msgspec", "eventsourcing")


def told(stand: Stand, load: float, paces: Sequence[float]) -> dict[str, Any]:
    """Return commit, date, machine and versions; how steady the machine was is told by how long a fixed loop took."""
    with psycopg.connect(stand.server.dsn("postgres")) as connection:
        found = connection.execute("SHOW server_version").fetchone()
    versions = {name: installed for name in LIBRARIES if (installed := _version(name))}
    versions |= {"Python": platform.python_version(), "PostgreSQL": str(found and found[0])}
    for name, command in (("wrk", ["wrk", "-v"]), ("pgbench", ["pgbench", "--version"])):
        if shutil.which(name):
            versions[name] = _said(command).split("Copyright")[0].splitlines()[0].removeprefix(name).strip()
    return {
        "commit": _said(["git", "describe", "--always", "--dirty"]),
        "date": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",  # noqa: TID251  # an entry point
        "machine": {
            "processor": _first("/proc/cpuinfo", "model name"),
            "cores": str(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()),
            "memory": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB",
            "system": f"{platform.system()} {platform.release()}",
            "load before": f"{load:.1f}" + (": others were at work, these figures say little" if load > BUSY else ""),
            "steadiness": steadiness(paces),
        },
        "versions": versions,
    }


def steadiness(paces: Sequence[float]) -> str:
    """Return how long the same loop took at the quick and at the slow end, a tenth left out at either."""
    if len(paces) < 2:  # there is nothing to compare
        return "not looked at"
    quick, *_, slow = quantiles(paces, n=10)
    uneven = ": others were at work, only figures of the same rounds compare" if slow > UNEVEN * quick else ""
    return f"a fixed loop took {quick:.1f} to {slow:.1f} ms of a processor{uneven}"


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _said(command: Sequence[str]) -> str:
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return ran.stdout.strip() or "unknown"


def _first(file: str, name: str) -> str:
    lines = Path(file).read_text().splitlines() if Path(file).exists() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(name)), platform.machine())
