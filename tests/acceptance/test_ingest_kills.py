"""Kill -9 of `cockpit ingest` at any moment, beside a running service: it goes on, nothing lost, nothing doubled."""

from __future__ import annotations

import json
import random
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx2
import pytest

from tests.acceptance.processes import Process, cockpit, running, until
from tests.fuzz_options import REPLAY

KILLS = 20 if REPLAY.is_full else 8
"""As many as `make test-replay` wants, or fewer."""
ROWS = 6000
SETTINGS = {"log_level": "warning"}


@pytest.fixture
def home() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="cockpit-ingest-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


def rows(chance: random.Random) -> list[dict[str, object]]:
    """Return registrations and revisions by key, some of them again, some refused."""
    made: list[dict[str, object]] = []
    for number in range(ROWS):
        external_id = str(chance.randrange(ROWS // 2))
        if number % 101 == 0:
            made.append({"external_id": f"nobody {number}"})
        else:
            made.append({"external_id": external_id, "display_name": f"Name {number % 97}", "entity_type": "PERSON"})
    return made


@pytest.mark.slow
def test_kills_of_an_ingest_lose_no_row_and_double_none(home: Path) -> None:
    chance = random.Random(8)  # noqa: S311  # it picks the moments
    given = rows(chance)
    (home / "a.ndjson").write_text("\n".join(map(json.dumps, given)))
    with running("serve", folder=home, **SETTINGS) as service:
        url = service.url

        def head() -> int:
            return int(httpx2.get(f"{url}/ping/", timeout=10).json()["head_position"])

        for _ in range(KILLS):
            killed = Process(["ingest", "a.ndjson"], home, SETTINGS)
            wanted = head() + chance.randint(0, ROWS // KILLS)
            await_head(head, wanted, killed)
            killed.kill()
        last = cockpit("ingest", "a.ndjson", folder=home, **SETTINGS)
        assert "refused" in last.stdout, last.stderr
        at_the_end = head()
        again = cockpit("ingest", "a.ndjson", folder=home, **SETTINGS)
        assert (again.returncode, last.returncode) == (1, 1)
        assert head() == at_the_end
        refused = {json.loads(line)["line"] for line in (home / "a.ndjson.errors.ndjson").read_text().splitlines()}
        assert f"{ROWS - len(refused):,} done before, {len(refused)} refused" in again.stdout
        until(lambda: httpx2.get(f"{url}/ping/", timeout=10).json()["lag"] == 0, 60)
        verified = cockpit("verify", folder=home, **SETTINGS)
        assert verified.returncode == 0, verified.stderr
        check(url, given, refused)


def await_head(head: Callable[[], int], wanted: int, process: Process) -> None:
    until(lambda: process.has_ended or head() >= wanted, 60)


def check(url: str, given: list[dict[str, object]], refused: set[int]) -> None:
    """Hold every entity against the last good row of its key."""
    expected = {
        row["external_id"]: row["display_name"]
        for row in (row for line, row in enumerate(given, 1) if line not in refused and "display_name" in row)
    }
    with httpx2.Client(base_url=f"{url}/api/v1", timeout=30) as client:
        found: dict[str, str] = {}
        keys: str | None = "/external-keys?source=a.ndjson&page_size=500&cursor=*"
        uids: dict[str, str] = {}
        while keys is not None:
            page = client.get(keys).json()
            uids |= {key["entity_uid"]: key["external_id"] for key in page["results"]}
            keys = page["next"]
        entities: str | None = "/entities?page_size=500&cursor=*&q=Name"
        while entities is not None:
            page = client.get(entities).json()
            found |= {
                uids[entity["entity_uid"]]: entity["display_name"]
                for entity in page["results"]
                if entity["entity_uid"] in uids
            }
            entities = page["next"]
    assert found == expected
