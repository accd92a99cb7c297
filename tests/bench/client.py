"""The bundled client: one process that asks over many connections and keeps each answer's status and time.

Closed (rate 0), every connection asks again when it has its answer. Paced, requests fall due at a fixed rate whatever
the answers do, and their time counts from when they fell due: a service that stalls cannot hide it. At the end it waits
for what is under way, so that every request is answered and counted. Run with a `Plan` as JSON on standard input.
"""

from __future__ import annotations

import asyncio
import sys
import time
from array import array
from collections import Counter, deque
from typing import cast
from urllib.parse import urlsplit

import msgspec
import uvloop

PATIENCE_SECONDS = 30.0
TICK_SECONDS = 0.001


class Plan(msgspec.Struct, frozen=True):
    """What to ask, of whom, and for how long: see load.py."""

    url: str
    method: str
    lines: str
    body: str
    token: str
    first: int
    after: int
    connections: int
    seconds: float
    rate: float = 0.0


class Report(msgspec.Struct, frozen=True):
    """What came of it; times in milliseconds."""

    statuses: dict[int, int]
    broken: int
    seconds: float
    p50: float
    p99: float
    longest: float


class Run:
    """One plan being carried out."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        with open(plan.lines, encoding="utf-8") as file:  # noqa: PTH123  # a name that came as text
            self._lines = [line.rstrip("\n").partition("\t")[::2] for line in file]
        fixed = [f"Host: {urlsplit(plan.url).netloc}"]
        fixed += ["Content-Type: application/json"] if plan.method != "GET" else []
        fixed += [f"Authorization: Token {plan.token}"] if plan.token else []
        self._fixed = "\r\n".join(fixed)
        self._at, self._number = plan.after, plan.first
        self.times = array("d")
        self.statuses: Counter[int] = Counter()
        self.broken = 0
        self.due: deque[float] = deque()
        self.idle: deque[Connection] = deque()
        """In the order they became so: each is used in its turn, so that the service closes none as unused."""
        self.ends_at = 0.0
        self.last_answer_at = 0.0

    def request(self) -> bytes:
        """Return the next request."""
        line = self._at % len(self._lines)
        path, etag = self._lines[line]
        head = f"{self._plan.method} {path} HTTP/1.1\r\n{self._fixed}\r\n"
        if etag and self._at < len(self._lines):
            head += f"If-Match: {etag}\r\n"
        self._at += 1
        self._number += 1
        if self._plan.method == "GET":
            return f"{head}\r\n".encode()
        body = self._plan.body.replace("{n}", str(self._number)).encode()
        return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body

    def answered(self, connection: Connection, status: int, began: float) -> None:
        """Keep an answer, and let the connection ask again as the plan wants it."""
        now = time.perf_counter()
        self.times.append(now - began)
        self.statuses[status] += 1
        self.last_answer_at = now
        if self._plan.rate:
            if self.due:
                connection.ask(self.due.popleft())
            else:
                self.idle.append(connection)
        elif now < self.ends_at:
            connection.ask(now)
        else:
            self.idle.append(connection)

    async def carry_out(self) -> Report:
        loop = asyncio.get_running_loop()
        place = urlsplit(self._plan.url)
        host, port = place.hostname or "", place.port or 80
        for _ in range(self._plan.connections):
            _, connection = await loop.create_connection(lambda: Connection(self), host, port)
            self.idle.append(connection)
        began = time.perf_counter()
        self.ends_at = began + self._plan.seconds
        if self._plan.rate:
            await self._pace(began)
        else:
            asking, self.idle = self.idle, deque()
            for connection in asking:
                connection.ask(time.perf_counter())
            await asyncio.sleep(self._plan.seconds)
        await self._end()
        unanswered = len(self.due) + self._plan.connections - len(self.idle)
        times = sorted(self.times)
        share = [
            times[min(len(times) - 1, int(len(times) * part))] * 1e3 if times else 0.0 for part in (0.5, 0.99, 1.0)
        ]
        return Report(dict(self.statuses), max(self.broken, unanswered), self.last_answer_at - began, *share)

    async def _end(self) -> None:
        """Wait until nothing is under way any more."""
        give_up = self.ends_at + PATIENCE_SECONDS
        while self.due or len(self.idle) < self._plan.connections - self.broken:  # no event tells
            if time.perf_counter() > give_up:
                return
            await asyncio.sleep(TICK_SECONDS)

    async def _pace(self, began: float) -> None:
        told = 0
        while (now := time.perf_counter()) < self.ends_at:
            wanted = int((now - began) * self._plan.rate)
            for _ in range(wanted - told):
                if self.idle:
                    self.idle.popleft().ask(now)
                else:
                    self.due.append(now)
            told = max(told, wanted)
            await asyncio.sleep(TICK_SECONDS)


class Connection(asyncio.Protocol):
    """One connection with at most one request under way. Reads only what the service sends: a length, always."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._began = 0.0
        self._got = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass of it

    def ask(self, began: float) -> None:
        assert self._transport is not None
        self._began = began
        self._transport.write(self._run.request())

    def data_received(self, data: bytes) -> None:
        self._got += data
        head_ends = self._got.find(b"\r\n\r\n")
        if head_ends < 0:
            return
        head = self._got[:head_ends].lower()
        at = head.find(b"\r\ncontent-length:")
        length = int(head[at + 17 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
        if len(self._got) >= head_ends + 4 + length:
            self._got = b""
            self._run.answered(self, int(head[9:12]), self._began)

    def connection_lost(self, _: Exception | None) -> None:
        self._run.broken += 1


def main() -> None:
    plan = msgspec.json.decode(sys.stdin.buffer.read(), type=Plan)
    report = uvloop.run(Run(plan).carry_out())
    sys.stdout.buffer.write(msgspec.json.encode(report))


if __name__ == "__main__":
    main()
