"""The embedded server takes of the machine's memory what its indexes need, and no more."""

from __future__ import annotations

import os

import pytest

from db.tuning import shared_buffers

PAGE = 4096


@pytest.mark.parametrize(("gigabytes", "buffers"), [(0.25, "128MB"), (2, "512MB"), (4, "1024MB"), (64, "1024MB")])
def test_the_servers_buffers_are_a_quarter_of_the_memory_within_bounds(
    monkeypatch: pytest.MonkeyPatch, gigabytes: float, buffers: str
) -> None:
    told = {"SC_PAGE_SIZE": PAGE, "SC_PHYS_PAGES": int(gigabytes * 2**30) // PAGE}
    monkeypatch.setattr(os, "sysconf", told.__getitem__)
    assert shared_buffers() == buffers
