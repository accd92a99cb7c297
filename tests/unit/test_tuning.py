"""The embedded server takes of the machine's memory what its indexes need, and no more."""

from __future__ import annotations

import os
import shutil
from collections import namedtuple
from pathlib import Path

import pytest

from db import tuning
from db.tuning import max_wal_size, shared_buffers

PAGE = 4096


@pytest.mark.parametrize(("gigabytes", "buffers"), [(0.25, "128MB"), (2, "512MB"), (4, "1024MB"), (64, "1024MB")])
def test_the_servers_buffers_are_a_quarter_of_the_memory_within_bounds(
    monkeypatch: pytest.MonkeyPatch, gigabytes: float, buffers: str
) -> None:
    told = {"SC_PAGE_SIZE": PAGE, "SC_PHYS_PAGES": int(gigabytes * 2**30) // PAGE}
    monkeypatch.setattr(os, "sysconf", told.__getitem__)
    monkeypatch.setattr(tuning, "LIMITS", ())
    assert shared_buffers() == buffers


@pytest.mark.parametrize(
    ("limit", "buffers"), [("2147483648\n", "512MB"), ("max\n", "1024MB"), (str(2**63 - 1), "1024MB")]
)
def test_a_container_has_what_it_may_take(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, limit: str, buffers: str
) -> None:
    told = {"SC_PAGE_SIZE": PAGE, "SC_PHYS_PAGES": 64 * 2**30 // PAGE}
    monkeypatch.setattr(os, "sysconf", told.__getitem__)
    (tmp_path / "memory.max").write_text(limit)
    monkeypatch.setattr(tuning, "LIMITS", (tmp_path / "memory.max", tmp_path / "none"))
    assert shared_buffers() == buffers


@pytest.mark.parametrize(("gigabytes", "wal"), [(5, "1024MB"), (20, "2048MB"), (400, "4096MB")])
def test_the_servers_log_takes_a_tenth_of_the_disk_within_bounds(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, gigabytes: int, wal: str
) -> None:
    usage = namedtuple("usage", "total")  # noqa: PYI024
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(gigabytes * 2**30))
    assert max_wal_size(tmp_path) == wal
