"""Joining a server that another process starts: it is there, or it is said not to be there yet."""

from __future__ import annotations

from pathlib import Path

import pytest

from db.connect import NotUpYet, _running


@pytest.mark.parametrize("told", [None, "", "4711\n/data/postgres\n1764230000\n", "4711\n/data\n1764230000\n5432\n"])
def test_a_server_that_has_not_told_where_it_is_is_not_up_yet(tmp_path: Path, told: str | None) -> None:
    (tmp_path / "postgres").mkdir()
    if told is not None:
        (tmp_path / "postgres" / "postmaster.pid").write_text(told)
    with pytest.raises(NotUpYet, match="only being started"):
        _running(tmp_path)


def test_one_that_has_is_joined(tmp_path: Path) -> None:
    (tmp_path / "postgres").mkdir()
    (tmp_path / "postgres" / "postmaster.pid").write_text("4711\n/data\n1764230000\n5433\n/sockets\n\n")
    (tmp_path / "postgres" / "cockpit.password").write_text("secret")
    assert "host=/sockets" in _running(tmp_path)
    assert "port=5433" in _running(tmp_path)
