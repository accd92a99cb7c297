"""What the embedded PostgreSQL runs with: its own defaults are for small machines and for logs of little change."""

from __future__ import annotations

import os
from collections.abc import Mapping

MEGABYTE = 1024 * 1024
LEAST_BUFFERS, MOST_BUFFERS = 128, 1024


def shared_buffers() -> str:
    """Return a quarter of the machine's memory, within bounds: PostgreSQL takes it as it comes to need it.

    What an event touches lies everywhere, and tables and indexes of a million versions take 1 GB. With half of that, a
    seventh of the time that folding takes in the server went into reading pages, and writing others to make room.
    """
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // MEGABYTE
    return f"{min(max(memory // 4, LEAST_BUFFERS), MOST_BUFFERS)}MB"


DEFAULTS: Mapping[str, str] = {
    "listen_addresses": "",
    "max_connections": "100",
    "shared_buffers": shared_buffers(),
    # After a checkpoint each page goes into the WAL as a whole when it is first changed, and events change pages
    # everywhere: with 1 GB an event writes 53 kB, since checkpoints follow one another; 10 kB with 4 GB.
    "max_wal_size": "4GB",
    "fsync": "on",
    "synchronous_commit": "on",
    "jit": "off",  # compiling costs more than our short statements take
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] ",
}
"""Its parameters, unless the caller's settings say otherwise."""
