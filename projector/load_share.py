"""A process that loads a share of the log: `python -m projector.load_share`, the share in the first line of its input.

It says how far it is, a line each time, and ends when its input does: with who began it.
"""

from __future__ import annotations

import os
import sys

import psycopg
from msgspec import json

from projector.loading import Share, load
from projector.runs import DSN_VARIABLE, end_with_input, watched
from projector.shares import Told
from shared.core.errors import CockpitError

NICENESS = 10
"""Who loads takes what others leave of the processors: nobody waits for that, as somebody may for the other phases."""


def main() -> None:
    """Load the share."""
    share = json.decode(sys.stdin.buffer.readline(), type=Share)
    end_with_input()
    os.nice(NICENESS)
    events = 0

    def told(number: int) -> None:
        nonlocal events
        events = number
        _say(Told(number))

    try:
        with psycopg.connect(os.environ[DSN_VARIABLE], autocommit=True) as connection:
            watched(connection)
            counted = load(connection, share, told)
    except (CockpitError, psycopg.Error) as error:
        _say(Told(events, fault=str(error)))
    else:
        _say(Told(events, dict(counted)))


def _say(told: Told) -> None:
    sys.stdout.buffer.write(json.encode(told) + b"\n")
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
