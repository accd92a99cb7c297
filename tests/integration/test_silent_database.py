"""A database that is silent: its processes are there and do nothing. Whoever asks is told so in time."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx2
import pytest

from cockpit.app import build_app
from db import pool
from db.embedded import EmbeddedPostgres
from db.migrate import migrate
from db.pool import Dsns
from db.roles import ensure_roles
from tests.integration.owners import processes_in
from tests.integration.test_handler import SETTINGS, fetch, register_types
from write_side import event_store
from write_side.appends import Append, Verdict
from write_side.event_store import EventStore

LOGIN = {"username": "jo", "password": "12345678"}
PERSON = {"display_name": "Jo", "entity_type": "PERSON"}
WRITES = (("entities", PERSON), ("auth/token", LOGIN))
SECONDS = 5.0
"""Within which everybody is told: a statement's second, what may be spared, another connection."""


class Server:
    """A server that can fall silent."""

    def __init__(self, home: Path, conninfo: str) -> None:
        self.conninfo = conninfo
        self._cluster = home / "postgres"

    @contextmanager
    def silent(self) -> Iterator[None]:
        """Stop all of its processes for the length of the block."""
        self._signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        for process in processes_in(self._cluster):
            os.kill(process, number)


@pytest.fixture
def server(home: Path) -> Iterator[Server]:
    with EmbeddedPostgres(home, settings={"fsync": "off"}) as running:
        conninfo = running.dsn("postgres")
        migrate(conninfo)
        assert ensure_roles(conninfo) is None
        yield Server(home, conninfo)


@pytest.fixture(autouse=True)
def impatience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a statement take a tenth of its time, and all that hangs on that."""
    for side in ("write", "read"):
        monkeypatch.setitem(pool.STATEMENT_MS, side, 1000)
    monkeypatch.setattr(pool, "SPARE_SECONDS", 0.3)
    monkeypatch.setattr(event_store, "RESEND_SECONDS", 0.5)


def with_client(conninfo: str, work: Callable[[httpx2.AsyncClient], Coroutine[Any, Any, None]]) -> None:
    """Run what asks the application, as a user who may write."""

    async def run() -> None:
        app = build_app(SETTINGS, Dsns(conninfo))
        async with (
            app.router.lifespan_context(app),
            httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://cockpit") as client,
        ):
            await register_types(app.state.write.handler)
            await app.state.accounts.create_user(*LOGIN.values(), is_admin=False)
            token = (await app.state.accounts.issue_token("jo", None, "", None)).token
            client.headers["Authorization"] = f"Token {token}"
            await work(client)

    asyncio.run(run())


async def told(ask: Coroutine[Any, Any, httpx2.Response], seconds: float = SECONDS) -> httpx2.Response:
    """Return the answer, a 503 within so many seconds."""
    async with asyncio.timeout(seconds):
        answer = await ask
    assert answer.status_code == 503
    return answer


def test_while_the_database_is_silent_every_answer_is_a_503_in_time_and_then_all_is_well(server: Server) -> None:
    async def work(client: httpx2.AsyncClient) -> None:
        for path in ("/ping", "/api/v1/entities"):
            assert (await client.get(path)).status_code == 200
        with server.silent():
            health = [told(client.get(path), 2) for path in ("/ping", "/readyz")]
            asked = [told(client.post(f"/api/v1/{path}", json=body)) for path, body in WRITES]
            answers = await asyncio.gather(*asked, told(client.get("/api/v1/entities")), *health)
            assert [answer.headers["Retry-After"] for answer in answers[:3]] == ["1"] * 3
        assert (await client.post("/api/v1/auth/token", json=LOGIN)).status_code == 200
        assert (await client.post("/api/v1/entities", json=PERSON)).status_code == 201
        for path in ("/ping", "/api/v1/entities"):
            assert (await client.get(path)).status_code == 200

    with_client(server.conninfo, work)


def test_a_command_whose_answer_never_came_is_a_503_and_there_once_when_it_is_sent_again(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    append = EventStore.append

    async def work(client: httpx2.AsyncClient) -> None:
        body = {**PERSON, "entity_uid": str(uuid4())}
        with ExitStack() as silent, monkeypatch.context() as patch:

            async def append_in_vain(store: EventStore, batch: Sequence[Append]) -> list[Verdict]:
                silent.enter_context(server.silent())
                return await append(store, batch)

            patch.setattr(EventStore, "append", append_in_vain)
            answer = await told(client.post("/api/v1/entities", json=body))
            assert answer.headers["Retry-After"] == "1"
        again = [await client.post("/api/v1/entities", json=body) for _ in range(2)]
        assert {answer.status_code for answer in again} <= {200, 201}
        counted = f"SELECT count(*) FROM log.event WHERE stream = 'entity:{body['entity_uid']}'"  # noqa: S608  # ours
        assert fetch(server.conninfo, counted) == [(1,)]

    with_client(server.conninfo, work)
