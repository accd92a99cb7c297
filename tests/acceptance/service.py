"""The service as its users have it: processes of the command line, asked over HTTP, with the log at hand to count."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Timer
from time import monotonic
from typing import Any, LiteralString
from uuid import uuid4

import httpx2
import psycopg

from tests import oracle

API = "/api/v1"
START_SECONDS = 60
STOP_SECONDS = 20
Json = dict[str, Any]


def environment(conninfo: str, settings: Mapping[str, str]) -> dict[str, str]:
    """What a process of ours finds in its environment: nothing of the settings of whoever runs the tests."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("COCKPIT_")}
    ours = {"COCKPIT_DATABASE_URL": conninfo, "COCKPIT_PORT": "0", "COCKPIT_ENVIRONMENT": "test"}
    return {**own, **ours, **settings}


def command(
    folder: Path, conninfo: str, *words: str, typed: str = "", **settings: str
) -> subprocess.CompletedProcess[str]:
    """Run `cockpit …` to its end."""
    return subprocess.run(
        [sys.executable, "-m", "cockpit", *words],
        cwd=folder,
        env=environment(conninfo, settings),
        input=typed,
        capture_output=True,
        text=True,
        timeout=START_SECONDS,
        check=False,
    )


@contextmanager
def process(folder: Path, conninfo: str, *words: str, **settings: str) -> Iterator[subprocess.Popen[str]]:
    """Run `cockpit …` for the length of the block, its log in a file; then it must stop cleanly when told to."""
    with (folder / f"{words[0]}-{uuid4().hex[:8]}.log").open("w") as log:
        running = subprocess.Popen(
            [sys.executable, "-m", "cockpit", *words],
            cwd=folder,
            env=environment(conninfo, settings),
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
        try:
            yield running
        finally:
            running.terminate()
            code = running.wait(STOP_SECONDS)
            if running.stdout is not None:
                running.stdout.close()
    assert code == 0, f"cockpit {' '.join(words)} ended with {code}: {Path(log.name).read_text()[-2000:]}"


def banner_url(running: subprocess.Popen[str]) -> str:
    """Return where the API is, from the banner that says it is ready."""
    assert running.stdout is not None
    too_late = Timer(START_SECONDS, running.kill)
    too_late.start()
    try:
        for line in running.stdout:
            if line.strip().startswith("API "):
                return line.split()[-1].removesuffix(f"{API}/entities")
    finally:
        too_late.cancel()
    raise AssertionError(f"no banner: the process ended with {running.wait()}")


class Service:
    """One running service. A path with a slash in front, or a URL, is taken as it is; others stand below /api/v1."""

    def __init__(self, url: str, conninfo: str, folder: Path) -> None:
        self.url, self.conninfo, self.folder = url, conninfo, folder
        self.client = httpx2.Client(base_url=url, timeout=30)
        self._log = psycopg.connect(conninfo, autocommit=True)
        self.tokens: dict[str, str] = {}

    def close(self) -> None:
        self.client.close()
        self._log.close()

    def token(self, username: str = "user_1") -> str:
        """Return the token of a sample user, the same for all tests."""
        if username not in self.tokens:
            answer = self.client.post(f"{API}/auth/token", json={"username": username, "password": "1234"})
            assert answer.status_code == 200, answer.text
            self.tokens[username] = answer.json()["token"]
        return self.tokens[username]

    def ask(self, method: str, path: str, user: str | None = None, **more: Any) -> httpx2.Response:
        """Send one request, with the token of `user` where one is named."""
        headers = httpx2.Headers(more.pop("headers", None))
        if user is not None:
            headers["Authorization"] = f"Token {self.token(user)}"
        url = path if path.startswith(("/", "http://")) else f"{API}/{path}"
        return self.client.request(method, url, headers=headers, **more)

    def get(self, path: str, **more: Any) -> httpx2.Response:
        return self.ask("GET", path, **more)

    def write(self, method: str, path: str, body: object = None, **more: Any) -> httpx2.Response:
        """Send a write as user_1, unless told otherwise; a body goes as JSON."""
        if body is not None:
            more["json"] = body
        return self.ask(method, path, more.pop("user", "user_1"), **more)

    def entity(self, name: str = "", kind: str = "PERSON", **more: Any) -> Json:
        """Register an entity, under a name of its own unless given one, and return it."""
        body = {"display_name": name or f"Someone {uuid4()}", "entity_type": kind, **more}
        answer = self.write("POST", "entities", body)
        assert answer.status_code == 201, answer.text
        return dict(answer.json())

    def head(self) -> int:
        """Return the log's last position."""
        ((position,),) = self.sql("SELECT coalesce(max(position), 0) FROM log.event")
        return int(position)

    def sql(self, query: LiteralString) -> list[tuple[Any, ...]]:
        """Look into the database, where HTTP does not show something."""
        return self._log.execute(query).fetchall()

    def check(self) -> None:
        """Wait until the projector is done, then hold the read model against the oracle's fold of the log."""
        deadline = monotonic() + START_SECONDS
        while self.get("/ping/").json()["checkpoint"] < self.head():
            assert monotonic() < deadline, "the projector does not reach the head of the log"
        with psycopg.connect(self.conninfo) as checking:
            oracle.check(checking)


Start = Callable[..., Service]


@contextmanager
def serving(folder: Path, conninfo: str, **settings: str) -> Iterator[Service]:
    """Run `cockpit serve` for the length of the block: everything in one process, sample data loaded."""
    with ExitStack() as stack:
        running = stack.enter_context(process(folder, conninfo, "serve", **settings))
        service = Service(banner_url(running), conninfo, folder)
        stack.callback(service.close)
        yield service


def problem(answer: httpx2.Response, status: int, *, code: str | None = None, field: str | None = None) -> Json:
    """Assert that the answer is a problem of that status, RFC 9457 with our members; return it."""
    assert answer.status_code == status, f"{answer.status_code} {answer.text}"
    assert answer.headers["content-type"] == "application/problem+json"
    body: Json = answer.json()
    assert body.keys() >= {"type", "title", "status", "detail", "instance", "request_id"}
    assert (body["status"], body["instance"]) == (status, answer.request.url.path.rstrip("/"))
    assert body["request_id"] == answer.headers["x-request-id"]
    if code is not None:
        assert code in {body["code"], *(error["code"] for error in body.get("errors", ()))}, body
    if field is not None:
        assert field in [error["field"] for error in body["errors"]], body
        assert all(error.keys() == {"field", "message", "code"} for error in body["errors"])
    return body
