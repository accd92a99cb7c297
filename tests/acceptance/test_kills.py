"""Kill -9 of the leading process under writes: no server is left behind, and nothing that was acknowledged is lost."""

from __future__ import annotations

import random
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from tests.acceptance.processes import authorization, cockpit, running, servers_in, until
from tests.acceptance.writing import Writer, await_writes

KILLS = 20
WRITERS = 4


@pytest.fixture
def home() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="cockpit-kill-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.mark.slow
def test_20_kills_under_writes_lose_nothing_that_was_acknowledged(home: Path) -> None:
    chance = random.Random(20)  # noqa: S311  # it picks the moments
    acknowledged: dict[str, str] = {}
    starts, ends = [], []
    for turn in range(KILLS):
        with running("serve", folder=home, log_level="warning") as process:
            url = process.url
            starts.append(time.monotonic() - process.started_at)
            headers = authorization(url)
            writers = [Writer(url, headers, f"{turn}.{number}") for number in range(WRITERS)]
            for writer in writers:
                writer.start()
            await_writes(writers, chance.randint(1, 60))
            process.kill()
            killed_at = time.monotonic()
            for writer in writers:
                writer.join()
                acknowledged |= writer.acknowledged
            if turn % 2:  # else the next one starts while the server of this one still ends
                until(lambda: not servers_in(process.data), 5, every=0.05)
                ends.append(time.monotonic() - killed_at)
    with running("serve", folder=home, log_level="warning") as process:
        url = process.url
        ping = httpx2.get(f"{url}/ping/").json()
        with httpx2.Client(base_url=url, timeout=10) as client:
            least = {"min_position": ping["head_position"]}
            for uid, name in acknowledged.items():
                assert client.get(f"/api/v1/entities/{uid}", params=least).json()["display_name"] == name
        verified = cockpit("verify", folder=home)
        assert verified.returncode == 0, verified.stderr
        assert process.stop() == 0
    assert servers_in(home / "data") == []
    print(  # noqa: T201
        f"{KILLS} kills, {len(acknowledged)} acknowledged writes, a start takes up to {max(starts):.2f} s,"
        f" a server is gone after up to {max(ends):.2f} s. {verified.stdout}"
    )
