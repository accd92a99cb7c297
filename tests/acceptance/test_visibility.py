"""How long a write takes to be seen: told by a notification in milliseconds, found by the poll where none comes."""

from __future__ import annotations

import time
from contextlib import ExitStack
from pathlib import Path
from statistics import median, quantiles

import httpx2
import psycopg

from tests.acceptance.processes import JOHN, authorization, load_sample_data, running

WRITES = 500
LONG = 600
"""Seconds: a busy machine is through with it long before."""
PATH = f"/api/v1/entities/{JOHN}"


def see(database: str, folder: Path, writes: int, poll_seconds: float) -> list[float]:
    """Make so many writes, and return how many milliseconds after its answer each was seen."""
    load_sample_data(database, folder)
    with ExitStack() as stack:
        settings = {"folder": folder, "database_url": database, "log_level": "info", "wait_seconds": 10}
        api = stack.enter_context(running("api", **settings))  # type: ignore[arg-type]
        projector = stack.enter_context(running("project", **settings, poll_seconds=poll_seconds))  # type: ignore[arg-type]
        projector.wait_for("projected")
        client = stack.enter_context(httpx2.Client(base_url=api.url, headers=authorization(api.url), timeout=20))
        waits = []
        for number in range(writes):
            name = f"John {number}"
            written = client.patch(PATH, json={"display_name": name})
            begun = time.perf_counter()
            seen = client.get(PATH, params={"min_position": written.headers["Position"]})
            waits.append((time.perf_counter() - begun) * 1000)
            assert (written.status_code, seen.status_code) == (200, 200)
            assert seen.json()["display_name"] == name
    return waits


def batched(waits: list[float]) -> list[list[float]]:
    return [waits[start : start + 100] for start in range(0, len(waits), 100)]


def test_a_write_is_seen_within_milliseconds_by_notification_alone(database: str, tmp_path: Path) -> None:
    begun = time.monotonic()
    waits = see(database, tmp_path, WRITES, poll_seconds=LONG)
    assert time.monotonic() - begun < LONG, "the poll may have had a part in it"
    print(f"visible after {median(waits):.1f} ms, 99 of 100 after {quantiles(waits, n=100)[98]:.1f} ms")  # noqa: T201
    assert min(median(hundred) for hundred in batched(waits)) < 125  # half the time between polls: told, not found


def test_without_any_notification_a_write_is_seen_by_the_poll(unchecked_database: str, tmp_path: Path) -> None:
    with psycopg.connect(unchecked_database) as connection:
        ((source,),) = connection.execute("SELECT pg_get_functiondef('log.append_events'::regproc)").fetchall()
        mute = source.replace("PERFORM pg_notify('cockpit_event', head_position::text);", "")
        assert mute != source
        connection.execute(mute.encode())
    waits = see(unchecked_database, tmp_path, 5, poll_seconds=0.5)
    print(f"by the poll of 500 ms: visible after {median(waits):.0f} ms, at most {max(waits):.0f} ms")  # noqa: T201
    assert max(waits) < 3000
    assert median(waits) > 20, "somebody told the projector"
