"""The data directory as the settings name it, and what is wrong with it, said so that an operator can mend it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from shared.core.errors import CockpitError


class NoDatabase(CockpitError):
    """There is no database in {data_dir}: COCKPIT_DATA_DIR says where it is, `cockpit serve` or `migrate` makes one."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir


class Unusable(CockpitError):
    """COCKPIT_DATA_DIR is {data_dir}, which cannot be used: {path}: {reason}."""

    def __init__(self, data_dir: Path, error: OSError) -> None:
        self.data_dir = data_dir
        self.path = error.filename or data_dir
        self.reason = "Not a directory" if isinstance(error, FileExistsError) else error.strerror


@contextmanager
def usable(data_dir: Path) -> Iterator[None]:
    """Raise Unusable for what the operating system refuses within the block."""
    try:
        yield
    except OSError as error:
        raise Unusable(data_dir, error) from error


def check_cluster(data_dir: Path) -> None:
    """Raise NoDatabase unless there is a cluster, or what is left of one."""
    cluster = data_dir / "postgres"
    if not cluster.exists() or not any(cluster.iterdir()):
        raise NoDatabase(data_dir)
