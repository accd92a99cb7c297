"""What a command writes: what may be long, to a file that is there only once it is whole; what others said, plainly."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from shared.core.errors import CockpitError


class NotAFile(CockpitError):
    """{path} is there and is not a file."""

    def __init__(self, path: Path) -> None:
        self.path = path


class NotWritable(CockpitError):
    """{path} cannot be written: {reason}."""

    def __init__(self, path: Path, error: OSError) -> None:
        self.path, self.reason = path, error.strerror


@contextmanager
def opened(path: Path | None) -> Iterator[BinaryIO]:
    """Yield what to write to. A file is written beside its name and takes it when the block has ended well.

    Without a path it is standard output; who reads that may stop reading: BrokenPipeError then, and the process says no
    more of it at its end. Raises NotAFile for a directory, a device and the like, NotWritable where the folder
    is missing or closed.
    """
    if path is None:
        yield from _standard_output()
        return
    whole = path.resolve()
    if whole.exists() and not whole.is_file():
        raise NotAFile(path)
    part = whole.with_name(f".{whole.name}.{os.getpid()}.part")
    try:
        with _open(part, path) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        part.replace(whole)
    finally:
        part.unlink(missing_ok=True)


def _open(part: Path, asked: Path) -> BinaryIO:
    try:
        return part.open("wb")
    except OSError as error:
        raise NotWritable(asked, error) from error


def _standard_output() -> Iterator[BinaryIO]:
    try:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the rest, written at the end, goes nowhere
        raise


def plain(text: str) -> str:
    r"""Return a text on one line, and without what a terminal obeys.

    >>> print(plain("a\x1b[2J\nb"))
    a\x1b[2J\nb
    """
    return "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in text)
