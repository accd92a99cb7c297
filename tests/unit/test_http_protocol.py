"""An answer goes out in one write where it can, and as uvicorn sends it where it cannot."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import uvicorn
from uvicorn.server import ServerState

from cockpit.http_protocol import Protocol

pytestmark = pytest.mark.anyio
GET = b"GET / HTTP/1.1\r\nhost: here\r\n\r\n"
PLAIN = [(b"content-length", b"5"), (b"x-one", b"1")]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Transport(asyncio.Transport):
    """Keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[bytes] = []
        self.closed = False

    def write(self, data: Any) -> None:
        self.writes.append(bytes(data))

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...


def connected(app: Any) -> tuple[Protocol, ServerState, Transport]:
    """Return one connection to an app: what speaks on it, what runs for it, and what goes out."""
    config = uvicorn.Config(app, http=Protocol, access_log=False, server_header=False, log_config=None, lifespan="off")
    config.load()
    state, transport = ServerState(), Transport()
    protocol = Protocol(config, state, {})
    protocol.connection_made(transport)
    return protocol, state, transport


async def answered(*messages: dict[str, Any], request: bytes = GET) -> Transport:
    """Return what goes out when an app sends these messages."""

    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        for message in messages:
            await send(message)

    protocol, state, transport = connected(app)
    protocol.data_received(request)
    await asyncio.gather(*state.tasks)
    closed = transport.closed
    protocol.connection_lost(None)
    transport.closed = closed
    return transport


def start(headers: list[tuple[bytes, bytes]], status: int = 200) -> dict[str, Any]:
    return {"type": "http.response.start", "status": status, "headers": headers}


def body(text: bytes, *, more: bool = False) -> dict[str, Any]:
    return {"type": "http.response.body", "body": text, "more_body": more}


async def test_a_whole_answer_is_one_write() -> None:
    transport = await answered(start(PLAIN), body(b"hello"))
    assert transport.writes == [b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\nx-one: 1\r\n\r\nhello"]
    assert not transport.closed


@pytest.mark.parametrize(
    ("messages", "expected"),
    [
        ([start([]), body(b"a", more=True), body(b"")], b"transfer-encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n"),
        ([start(PLAIN), body(b"he", more=True), body(b"llo")], b"x-one: 1\r\n\r\nhello"),
        ([start([*PLAIN, (b"connection", b"close")]), body(b"hello")], b"connection: close\r\n\r\nhello"),
        ([start([], 204), body(b"")], b"HTTP/1.1 204 No Content\r\n\r\n"),
    ],
)
async def test_any_other_answer_is_sent_as_ever(messages: list[dict[str, Any]], expected: bytes) -> None:
    transport = await answered(*messages)
    assert b"".join(transport.writes).endswith(expected)


@pytest.mark.parametrize("request_line", [b"HEAD / HTTP/1.1", b"GET / HTTP/1.0"])
async def test_any_other_request_is_answered_as_ever(request_line: bytes) -> None:
    transport = await answered(start(PLAIN), body(b"hello"), request=request_line + b"\r\nhost: here\r\n\r\n")
    out = b"".join(transport.writes)
    assert out.endswith(b"hello") is (b"GET" in request_line)
    assert transport.closed is (b"1.0" in request_line)


async def test_the_start_of_a_stream_does_not_wait_for_its_first_part() -> None:
    transport = await answered(start([(b"content-type", b"text/event-stream")]))
    assert transport.writes[0].startswith(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n")


@pytest.mark.parametrize("value", [b"a\r\nset-cookie: b", b"a\nb", b"a\0b"])
async def test_a_header_that_would_be_two_is_never_sent(value: bytes) -> None:
    transport = await answered(start([*PLAIN, (b"x-two", value)]), body(b"hello"))
    out = b"".join(transport.writes)
    assert out.startswith(b"HTTP/1.1 500 ") or not out
    assert value not in out


async def test_an_answer_that_breaks_off_is_never_taken_for_a_whole_one() -> None:
    transport = await answered(start(PLAIN), body(b"he"))
    assert transport.closed


async def test_an_answer_that_comes_after_the_order_to_stop_ends_its_connection() -> None:
    goes_on = asyncio.Event()

    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": PLAIN})
        await goes_on.wait()
        await send({"type": "http.response.body", "body": b"hello"})

    protocol, state, transport = connected(app)
    protocol.data_received(GET)
    await asyncio.sleep(0)
    protocol.shutdown()
    goes_on.set()
    await asyncio.gather(*state.tasks)
    assert transport.closed
    assert transport.writes[0].endswith(b"hello")
