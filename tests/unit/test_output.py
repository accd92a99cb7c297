"""A file that is written is there once it is whole, and what stood there before stays until then."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cockpit.output import NotAFile, opened


def write(path: Path, text: str = "new") -> None:
    with opened(path) as file:
        file.write(text.encode())
        assert not path.exists() or path.read_text() == "old"


def test_a_file_is_there_once_it_is_whole(tmp_path: Path) -> None:
    write(tmp_path / "log.ndjson")
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("log.ndjson", "new")]


def test_what_breaks_off_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "log.ndjson"

    def broken() -> None:
        with opened(path) as file:
            file.write(b"half")
            raise KeyboardInterrupt

    for before in ([], ["log.ndjson"]):
        with pytest.raises(KeyboardInterrupt):
            broken()
        assert [found.name for found in tmp_path.iterdir()] == before
        path.write_text("old")
    assert path.read_text() == "old"
    write(path)
    assert path.read_text() == "new"


def test_a_link_is_followed_and_stays(tmp_path: Path) -> None:
    (tmp_path / "far").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "far" / "file")
    write(tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "far" / "file").read_text() == "new"


def test_what_is_no_file_is_not_written_over(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe", Path(os.devnull)):
        with pytest.raises(NotAFile, match="is not a file"):
            write(path)
    assert (tmp_path / "pipe").is_fifo()
