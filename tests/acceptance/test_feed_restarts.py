"""Whatever breaks, database, projector or connection: who follows the log sees every position once and in order."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from time import sleep

import httpx2
import psycopg
import pytest

from db.embedded import EmbeddedPostgres
from tests import oracle
from tests.acceptance.processes import authorization, load_sample_data, running, until
from tests.acceptance.service import API
from tests.acceptance.streams import PATIENCE, Block, blocks
from tests.conftest import Clone

CLIENTS = 10
STEADY = 5
"""So many clients never leave by themselves; the others leave after every few events, and come back."""
WRITTEN = 40
"""How many events are written between two restarts, at least."""
SECONDS = 60.0
WAYS = (None, signal.SIGQUIT, signal.SIGKILL, None, signal.SIGKILL)
"""How the server goes: in good order, at once, or killed."""


class Client(threading.Thread):
    """Follows the log from its beginning, and comes back with the last id whenever its connection ends."""

    def __init__(self, url: str, header: dict[str, str], leaves_after: int | None) -> None:
        super().__init__(daemon=True)
        self._url, self._header, self._leaves_after = f"{url}{API}/events/stream", header, leaves_after
        self._last = 0
        self.positions: list[int] = []
        self.notices: list[Block] = []
        self.heartbeats = self.connections = 0
        self._stopping = threading.Event()

    def run(self) -> None:
        with httpx2.Client(timeout=PATIENCE) as client:
            while not self._stopping.is_set():
                with suppress(httpx2.TransportError):
                    self._follow(client)
                sleep(0.01)

    def stop(self) -> None:
        self._stopping.set()
        self.join(PATIENCE)

    def _follow(self, client: httpx2.Client) -> None:
        headers = {**self._header, "Last-Event-ID": str(self._last)}
        with client.stream("GET", self._url, headers=headers) as answer:
            if answer.status_code == 503:
                return
            assert answer.status_code == 200, answer.read()
            self.connections += 1
            here = count(1)
            for block in blocks(answer.iter_lines()):
                self._take(block)
                if self._stopping.is_set() or (block.data and next(here) == self._leaves_after):
                    return

    def _take(self, block: Block) -> None:
        self._last = self._last if block.id is None else block.id
        self.heartbeats += "heartbeat" in block.comments
        if block.data is not None and block.id is not None:
            self.positions.append(block.id)
        elif block.data is not None:
            self.notices.append(block)


class Writer(threading.Thread):
    """Registers one entity after the other, each until it is accepted."""

    def __init__(self, url: str, header: dict[str, str]) -> None:
        super().__init__(daemon=True)
        self._url, self._header = f"{url}{API}/entities", header
        self.written = 0
        self._stopping = threading.Event()

    def run(self) -> None:
        with httpx2.Client(timeout=PATIENCE) as client:
            while not self._stopping.is_set():
                headers = {**self._header, "Idempotency-Key": f"restarts-{self.written}"}
                body = {"display_name": f"Written {self.written}", "entity_type": "PERSON"}
                answer = client.post(self._url, json=body, headers=headers)
                assert answer.status_code in {201, 503}, answer.text
                self.written += answer.status_code == 201

    def stop(self) -> None:
        self._stopping.set()
        self.join(PATIENCE)

    def go_on(self) -> None:
        """Return when it has written so many more."""
        enough = self.written + WRITTEN
        until(lambda: self.written >= enough, SECONDS)


@contextmanager
def following(url: str, header: dict[str, str]) -> Iterator[tuple[list[Client], Writer]]:
    """Have the clients follow and somebody write."""
    clients = [Client(url, header, None if number < STEADY else 3 + number) for number in range(CLIENTS)]
    writer = Writer(url, header)
    try:
        for client in clients:
            client.start()
        writer.start()
        yield clients, writer
    finally:
        writer.stop()
        for client in clients:
            client.stop()


def feel_heartbeats(clients: list[Client]) -> None:
    """Return when each has felt another heartbeat: without a database one takes seconds, so they wait together."""
    felt = [client.heartbeats for client in clients]
    until(lambda: all(client.heartbeats > had for client, had in zip(clients, felt, strict=True)), SECONDS)


def head(dsn: str) -> int:
    with psycopg.connect(dsn) as connection:
        ((position,),) = connection.execute("SELECT max(position) FROM log.event").fetchall()
    return int(position)


@pytest.mark.slow
def test_ten_clients_see_every_position_once_and_in_order_over_five_restarts_of_the_database(tmp_path: Path) -> None:
    with ExitStack() as stack:
        home = Path(stack.enter_context(TemporaryDirectory(prefix="cockpit-feed-")))
        home.chmod(0o755)
        server = EmbeddedPostgres(home, settings={"fsync": "off"})
        dsn = server.start()
        stack.callback(server.stop)
        load_sample_data(dsn, tmp_path)
        settings = {"database_url": dsn, "heartbeat_seconds": 0.5}
        service = stack.enter_context(running("serve", folder=tmp_path, **settings))
        clients, writer = stack.enter_context(following(service.url, authorization(service.url)))
        for way in WAYS:
            writer.go_on()
            if way is not None:
                assert server.pid is not None
                os.kill(server.pid, way)
                until(lambda: server.pid is None, SECONDS)
            server.stop()
            feel_heartbeats(clients[:STEADY])
            assert server.start() == dsn
        writer.go_on()
        writer.stop()
        last = head(dsn)
        assert last > len(WAYS) * WRITTEN
        until(lambda: all(client.positions[-1] >= last for client in clients), SECONDS)
        for client in clients:
            assert client.positions == list(range(1, last + 1))
        assert [client.connections for client in clients[:STEADY]] == [1] * STEADY, "a stream outlives the database"
        assert all(client.connections > len(WAYS) for client in clients[STEADY:])
        until(lambda: httpx2.get(f"{service.url}/ping/").json()["checkpoint"] == last, SECONDS)
        with psycopg.connect(dsn) as checking:
            oracle.check(checking)


def test_events_come_while_the_projector_is_away_and_what_came_true_meanwhile_is_told_when_it_is_back(
    clone: Clone, tmp_path: Path
) -> None:
    with clone() as conninfo, ExitStack() as stack:
        load_sample_data(conninfo, tmp_path)
        projector = stack.enter_context(running("project", folder=tmp_path, database_url=conninfo))
        settings = {"database_url": conninfo, "heartbeat_seconds": 0.2}
        service = stack.enter_context(running("api", folder=tmp_path, **settings))
        header = authorization(service.url)
        client = Client(service.url, header, None)
        client.start()
        stack.callback(client.stop)
        until(lambda: client.positions and client.positions[-1] == head(conninfo), SECONDS)
        projector.kill()
        due = datetime.now(UTC) + timedelta(seconds=4)  # noqa: TID251  # the service is asked by the same clock
        with httpx2.Client(base_url=f"{service.url}{API}", headers=header, timeout=PATIENCE) as writing:
            body = {"display_name": "Someone", "entity_type": "PERSON"}
            uid = writing.post("/entities", json=body).json()["entity_uid"]
            change = {"display_name": "Someone else", "effective_at": due.isoformat()}
            assert writing.patch(f"/entities/{uid}", json=change).status_code == 200
            until(lambda: datetime.now(UTC) > due, SECONDS)  # noqa: TID251  # as above
            assert writing.post("/entities", json={**body, "display_name": "Later"}).status_code == 201
        until(lambda: client.positions[-1] == head(conninfo), SECONDS)
        assert client.notices == []
        stack.enter_context(running("project", folder=tmp_path, database_url=conninfo))
        until(lambda: client.notices, SECONDS)
        (notice,) = client.notices
        assert notice.data is not None
        assert (notice.data["subject"], notice.data["data"]["after"]) == (uid, "Someone else")
        assert client.positions == list(range(1, head(conninfo) + 1))
        assert client.connections == 1
