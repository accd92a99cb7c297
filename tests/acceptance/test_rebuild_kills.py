"""Kill -9 of `cockpit rebuild` in every phase, under reads and writes: nothing is lost, nothing doubled."""

from __future__ import annotations

import random
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx2
import psycopg
import pytest

from shared.core.events import EntityRevised, entity_stream
from tests.acceptance.processes import until
from tests.acceptance.service import Service, Start, command, environment
from tests.appending import Append, append
from tests.fuzz_options import REPLAY
from tests.integration.projecting import JOHN, uid

PHASES = ("load", "index", "catch_up", "compare", "switch")
KILLS = 4 if REPLAY.is_full else 3
"""In each phase; as many as `make test-replay` wants, or fewer."""
TRIES = 40
ENTITIES = 600
MIGRATIONS_LOCK = (4011, 2)


class Client(threading.Thread):
    """Registers one entity after the other and reads it and others, until told to stop; any failure is kept."""

    def __init__(self, service: Service) -> None:
        super().__init__()
        self._url, self._headers = service.url, {"Authorization": f"Token {service.token()}"}
        self.stopping = threading.Event()
        self.acknowledged: dict[str, str] = {}
        self.reads = 0
        self.failure: Exception | None = None

    def run(self) -> None:
        try:
            with httpx2.Client(base_url=f"{self._url}/api/v1", headers=self._headers, timeout=30) as client:
                for number in range(1_000_000):
                    if self.stopping.wait(0.05):
                        return
                    self._write_and_read(client, f"Written {number} by {self.name}")
        except Exception as error:  # noqa: BLE001  # whatever it is, it failed the client
            self.failure = error

    def _write_and_read(self, client: httpx2.Client, name: str) -> None:
        written = client.post("/entities", json={"display_name": name, "entity_type": "PERSON"})
        assert written.status_code == 201, written.text
        uid_of_it = written.json()["entity_uid"]
        self.acknowledged[uid_of_it] = name
        for path in (f"/entities/{uid_of_it}", "/entities?page_size=3", f"/entities/{uid(1)}/history"):
            read = client.get(path, params={"min_position": written.headers["position"]})
            assert read.status_code == 200, f"{path}: {read.status_code} {read.text}"
            self.reads += 1


def write_a_lot(conninfo: str, *, first: bool) -> None:
    """Register the entities, or revise them."""
    with psycopg.connect(conninfo) as connection:
        event = JOHN if first else EntityRevised(display_name=f"Revised {random.random()}")  # noqa: S311  # a name
        streams = [entity_stream(uid(number)) for number in range(1, ENTITIES + 1)]
        append(connection, *(Append(stream=stream, events=[event]) for stream in streams))


@contextmanager
def rebuilding(service: Service) -> Iterator[subprocess.Popen[bytes]]:
    """Give a rebuild at work, killed at the end of the block at the latest."""
    process = subprocess.Popen(
        [sys.executable, "-m", "cockpit", "rebuild"],
        cwd=service.folder,
        env=environment(service.conninfo, {}),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def phase_of(connection: psycopg.Connection[Any]) -> tuple[int, str]:
    row = connection.execute("SELECT id, phase FROM projection.rebuild ORDER BY id DESC LIMIT 1").fetchone()
    return row or (0, "")


def kill_in(service: Service, phase: str, chance: random.Random, *, held: bool) -> str:
    """Kill a rebuild at some moment of a phase; return the phase that it was in when it ended."""
    with psycopg.connect(service.conninfo, autocommit=True) as looking:
        before, _ = phase_of(looking)
        with rebuilding(service) as process:
            until(lambda: phase_of(looking)[0] > before, 60)
            if phase == "catch_up":  # so that there is something to catch up with
                write_a_lot(service.conninfo, first=False)
            if held:  # what is migrated is not switched
                looking.execute("SELECT pg_advisory_lock_shared(%s, %s)", MIGRATIONS_LOCK)
            order = [*PHASES, "done", "failed"]
            until(
                lambda: phase_of(looking)[1] != "requested" and order.index(phase_of(looking)[1]) >= order.index(phase),
                60,
            )
            time.sleep(chance.random() * (0.5 if held or phase in {"load", "index"} else 0.02))
            process.kill()
            process.wait()
        return phase_of(looking)[1]


@pytest.mark.slow
def test_kills_in_every_phase_lose_nothing_and_double_nothing(start: Start) -> None:
    service, chance = start(), random.Random(5)  # noqa: S311  # it picks the moments
    write_a_lot(service.conninfo, first=True)
    clients = [Client(service) for _ in range(2)]
    for client in clients:
        client.start()
    killed: Counter[str] = Counter()
    tried = 0
    for phase in PHASES:
        while killed[phase] < KILLS:
            tried += 1
            assert tried <= TRIES, f"too few of {tried} kills hit: {killed}"
            held = phase == "switch" and killed[phase] < KILLS - 1
            killed[kill_in(service, phase, chance, held=held)] += 1
    rebuilt = command(service.folder, service.conninfo, "rebuild")
    assert rebuilt.returncode == 0, rebuilt.stderr
    assert rebuilt.stdout.endswith(" 0 rows differed.\n"), rebuilt.stdout
    for client in clients:
        client.stopping.set()
        client.join()
        assert client.failure is None, client.failure
        for entity_uid, name in client.acknowledged.items():
            found = service.get(f"entities/{entity_uid}", params={"min_position": service.head()})
            assert found.json()["display_name"] == name
    verified = command(service.folder, service.conninfo, "verify")
    assert verified.returncode == 0, verified.stderr
    print(  # noqa: T201
        f"{tried} kills: {dict(killed)}; {sum(len(client.acknowledged) for client in clients)} writes,"
        f" {sum(client.reads for client in clients)} reads. {verified.stdout}"
    )
