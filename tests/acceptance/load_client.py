"""The clients of a steady load, in a process of their own: `python -m tests.acceptance.load_client`.

A request is made when it is due, whether or not the ones before are answered: what is slow shows as late, not as asked
less often. What comes is put into a file as it is, for loading.py to judge afterwards: here it would take the time of
those who are to answer. What to do is the first line of standard input, and it goes on until that ends.
"""

from __future__ import annotations

import asyncio
import random
import re
import sys
import time
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from typing import IO, Any
from urllib.parse import quote, urlsplit

import msgspec
import psycopg

from tests.acceptance import big_log

READERS, WRITERS = 32, 8
"""Connections: no more at a time, so that those who are late do not crowd out everybody else."""
LOOK_SECONDS = 0.05
SILENCE_SECONDS = 30.0
"""How long nothing at all may be answered, or become visible, while something is waited for."""
LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
POSITION = re.compile(rb"\r\nposition: *(\d+)", re.IGNORECASE)


class Plan(msgspec.Struct, frozen=True):
    """What to do: where, about how many entities (the first `hot` are changed), how often, and where to put it."""

    url: str
    token: str
    conninfo: str
    file: str
    hot: int
    entities: int
    commands_a_second: float
    reads_a_second: float


class Due(msgspec.Struct, frozen=True):
    """A request and when it is to be made."""

    at: float
    path: str
    content: bytes


class Connection(asyncio.Protocol):
    """A connection that is kept: one request at a time, and its answer whole, head and body."""

    def __init__(self, answered: Callable[[Connection, Due, bytes], None], lost: Callable[[Due], None]) -> None:
        self._answered, self._lost = answered, lost
        self._due: Due | None = None
        self._got = bytearray()
        self._size = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def ask(self, due: Due) -> None:
        self._due = due
        self._transport.write(due.content)

    def data_received(self, data: bytes) -> None:
        self._got += data
        if not self._size and (head := self._got.find(b"\r\n\r\n")) >= 0:
            length = LENGTH.search(self._got, 0, head)
            assert length is not None, bytes(self._got[:head])
            self._size = head + 4 + int(length[1])
        if self._size and len(self._got) >= self._size:
            due, answer = self._due, bytes(self._got)
            assert due is not None
            assert len(answer) == self._size, answer
            self._due, self._size = None, 0
            self._got.clear()
            self._answered(self, due, answer)

    def connection_lost(self, _error: Exception | None) -> None:
        if self._due is not None:
            self._lost(self._due)

    def close(self) -> None:
        self._transport.close()


class Clients:
    """Some connections, in turn, and what waits for one of them, in the order in which it was due."""

    def __init__(self, kind: str, rate: float, make: Callable[[], tuple[str, bytes]], out: IO[bytes]) -> None:
        self._kind, self._rate, self._make, self._out = kind, rate, make, out
        self._idle: deque[Connection] = deque()
        self._waiting: deque[Due] = deque()
        self._goes_on, self._news = True, asyncio.Event()
        self.asked = self.answered = 0
        self.last_position = 0
        self.lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def begin(self, host: str, port: int, connections: int) -> None:
        loop = asyncio.get_running_loop()
        for _ in range(connections):
            _, connection = await loop.create_connection(lambda: Connection(self._take, self._lose), host, port)
            self._idle.append(connection)
        self._begun = loop.time()
        self._turn()

    async def end(self) -> None:
        """Ask no more, and wait for what was asked."""
        self._goes_on = False
        while self.answered < self.asked:
            self._news.clear()
            async with asyncio.timeout(SILENCE_SECONDS):
                await self._news.wait()
        for connection in self._idle:
            connection.close()

    def _turn(self) -> None:
        if not self._goes_on:
            return
        due = Due(self._begun + self.asked / self._rate, *self._make())
        self.asked += 1
        if self._idle:
            self._idle.popleft().ask(due)
        else:
            self._waiting.append(due)
        asyncio.get_running_loop().call_at(self._begun + self.asked / self._rate, self._turn)

    def _take(self, connection: Connection, due: Due, answer: bytes) -> None:
        self._out.write(
            b"%s %f %f %s %d\n" % (self._kind.encode(), due.at, time.monotonic(), due.path.encode(), len(answer))
        )
        self._out.write(answer)
        self.answered += 1
        self._news.set()
        if self._kind == "PATCH" and (found := POSITION.search(answer, 0, answer.find(b"\r\n\r\n"))):
            self.last_position = max(self.last_position, int(found[1]))
        if self._waiting:
            connection.ask(self._waiting.popleft())
        else:
            self._idle.append(connection)

    def _lose(self, due: Due) -> None:
        if not self.lost.done():
            self.lost.set_exception(ConnectionError(f"no answer to {self._kind} {due.path}"))


class Requests:
    """What is asked: at random, the same each time."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._writing = random.Random("writer")  # noqa: S311  # it chooses whom to change
        self._reading = random.Random("reader")  # noqa: S311  # it chooses what to ask
        self._changes = 0
        self._head = f"HTTP/1.1\r\nHost: {urlsplit(plan.url).netloc}\r\nAuthorization: Token {plan.token}\r\n"
        self.first_position: int | None = None
        """The first that the read model was seen at."""

    def change(self) -> tuple[str, bytes]:
        self._changes += 1
        name = f"Changed {self._changes}"
        email = {"detail_type": "EMAIL", "detail_value": f"{name}@example.com"}
        said: dict[str, Any] = {"display_name": name} if self._writing.random() < 0.5 else {"details": [email]}
        body = msgspec.json.encode(said)
        path = f"entities/{big_log.uid(self._writing.randrange(self._plan.hot))}"
        head = f"{self._head}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        return path, f"PATCH /api/v1/{path} {head}".encode() + body

    def question(self) -> tuple[str, bytes]:
        chance = self._reading
        uid = big_log.uid(chance.randrange(self._plan.hot if chance.random() < 0.5 else self._plan.entities))
        (kind,) = chance.choices(
            ["now", "then", "list", "all", "at"], [6, 3, 1, 1, 3 * (self.first_position is not None)]
        )
        match kind:
            case "now":
                path = f"entities/{uid}"
            case "then":
                path = f"entities/{uid}?as_of={_ago(chance.random())}"
            case "list":
                path = "entities?page_size=10&count=none"
            case "all":
                path = f"entities-asof/?page_size=10&count=none&as_of={_ago(0)}"
            case _:
                path = f"entities/{uid}?position={self.first_position}"
        return path, f"GET /api/v1/{path} {self._head}\r\n".encode()


def _ago(seconds: float) -> str:
    """Return an instant since which the entities of the load have existed, at any rate."""
    return quote(datetime.fromtimestamp(time.time() - seconds, UTC).isoformat())  # noqa: TID251  # a client has a clock


async def _watch(plan: Plan, requests: Requests, writers: Clients, over: asyncio.Event, out: IO[bytes]) -> None:
    """Note when the read model reached which position, until it has all that was acknowledged.

    It looks when something was projected, and now and then: it may be late in saying that a write was seen, not early.
    """
    async with await psycopg.AsyncConnection.connect(plan.conninfo, autocommit=True) as connection:
        await connection.execute("LISTEN cockpit_projected")
        last = -1
        while not over.is_set() or last < writers.last_position:
            cursor = await connection.execute("SELECT position FROM read_model.checkpoint", prepare=True)
            ((position,),) = await cursor.fetchall()
            if position != last:
                last = position
                out.write(b"SEEN - %f %d 0\n" % (time.monotonic(), position))
                requests.first_position = requests.first_position or position
            async for _ in connection.notifies(timeout=LOOK_SECONDS, stop_after=1):
                pass


async def main() -> None:
    """Make the requests; say "begun" and, in the end, how many seconds of a core all of it took."""
    loop = asyncio.get_running_loop()
    plan = msgspec.json.decode(sys.stdin.buffer.readline(), type=Plan)
    parts = urlsplit(plan.url)
    assert parts.hostname is not None
    assert parts.port is not None
    with open(plan.file, "wb", buffering=1 << 20) as out:  # noqa: ASYNC230, PTH123  # it is what the process is for
        requests, over = Requests(plan), asyncio.Event()
        writers = Clients("PATCH", plan.commands_a_second, requests.change, out)
        readers = Clients("GET", plan.reads_a_second, requests.question, out)
        watching = asyncio.create_task(_watch(plan, requests, writers, over, out))
        await writers.begin(parts.hostname, parts.port, WRITERS)
        await readers.begin(parts.hostname, parts.port, READERS)
        print("begun", flush=True)  # noqa: T201  # it is told to who began it
        ends = loop.run_in_executor(None, sys.stdin.buffer.read)
        await asyncio.wait([ends, watching, writers.lost, readers.lost], return_when=asyncio.FIRST_COMPLETED)
        for ended in (writers.lost, readers.lost, watching):
            if ended.done():
                ended.result()
        await asyncio.gather(writers.end(), readers.end())
        over.set()
        async with asyncio.timeout(SILENCE_SECONDS):
            await watching
    print(f"{time.process_time():.3f}")  # noqa: T201


if __name__ == "__main__":
    asyncio.run(main())
