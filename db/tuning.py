"""What the embedded PostgreSQL runs with: its own defaults are for small machines and for logs of little change."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

MEGABYTE = 1024 * 1024
LEAST_BUFFERS, MOST_BUFFERS = 128, 1024
LEAST_WAL, MOST_WAL = 1024, 4096
"""In megabytes; the least of the log is PostgreSQL's own default."""
LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))
"""Where a container says how much memory it may take, with cgroups of version 2 and 1."""


def shared_buffers() -> str:
    """Return a quarter of the memory, within bounds: PostgreSQL takes it as it comes to need it.

    What an event touches lies everywhere, and tables and indexes of a million versions take 1 GB. With half of that, a
    seventh of the time that folding takes in the server went into reading pages, and writing others to make room.
    """
    memory = [os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")]
    for limit in LIMITS:
        with suppress(OSError, ValueError):  # not there, or no number: there is no limit
            memory.append(int(limit.read_text()))
    return f"{min(max(min(memory) // MEGABYTE // 4, LEAST_BUFFERS), MOST_BUFFERS)}MB"


def max_wal_size(folder: Path) -> str:
    """Return a tenth of the disk that a folder is on, within bounds.

    After a checkpoint each page goes into the WAL as a whole when it is first changed, and events change pages
    everywhere: with 1 GB an event writes 53 kB, since checkpoints follow one another; 10 kB with 4 GB.
    """
    return f"{min(max(shutil.disk_usage(folder).total // MEGABYTE // 10, LEAST_WAL), MOST_WAL)}MB"


def defaults(folder: Path) -> Mapping[str, str]:
    """Return the parameters of a server whose files are in a folder, unless the caller's settings say otherwise."""
    return {
        "listen_addresses": "",
        "max_connections": "100",
        "shared_buffers": shared_buffers(),
        "max_wal_size": max_wal_size(folder),
        "fsync": "on",
        "synchronous_commit": "on",
        "jit": "off",  # compiling costs more than our short statements take
        "timezone": "UTC",
        "log_timezone": "UTC",
        "log_line_prefix": "%m [%p] ",
    }
