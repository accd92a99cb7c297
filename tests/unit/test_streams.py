"""An answer that is made faster than it is taken waits in a file, which does not grow without end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING, Any

import pytest

from shared.http import streams
from shared.http.streams import Backlog, NotTaken, Streamed

if TYPE_CHECKING:
    from starlette.types import Message

PARTS = [bytes([number]) * 100 for number in range(200)]
made: list[bytes] = []


async def parts() -> AsyncGenerator[bytes, None]:
    made.clear()
    for part in PARTS:
        made.append(part)
        yield part


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "MOST_BYTES", 1000)
    monkeypatch.setattr(streams, "IN_MEMORY", 10)


async def never() -> Any:
    raise NotImplementedError


def test_who_takes_slowly_gets_all_of_it_in_order_out_of_a_file_of_bounded_size(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sizes: list[int] = []
    put = Backlog.put

    async def watched(self: Backlog, part: bytes) -> None:
        await put(self, part)
        self._file.seek(0, 2)
        sizes.append(self._file.tell())

    monkeypatch.setattr(Backlog, "put", watched)
    got: list[bytes] = []

    async def send(message: Message) -> None:
        await asyncio.sleep(0)
        got.append(message.get("body", b""))

    asyncio.run(Streamed(parts(), "text/plain")({}, never, send))
    assert b"".join(got) == b"".join(PARTS)
    assert max(sizes) <= 1000


def test_who_takes_nothing_is_broken_off_and_nothing_more_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "TAKEN_SECONDS", 0.2)
    got: list[Message] = []

    async def send(message: Message) -> None:
        if message["type"] == "http.response.body":
            await asyncio.Event().wait()
        got.append(message)

    with pytest.raises(NotTaken, match=r"^1000 bytes of an answer wait, and for 0\.2 s"):
        asyncio.run(Streamed(parts(), "text/plain")({}, never, send))
    assert [message["type"] for message in got] == ["http.response.start"]
    assert len(made) == 11


def test_what_was_made_before_a_fault_is_sent_and_then_it_is_raised() -> None:
    async def failing() -> AsyncGenerator[bytes, None]:
        yield b"executed"
        raise ZeroDivisionError

    got: list[bytes] = []

    async def send(message: Message) -> None:
        await asyncio.sleep(0)
        got.append(message.get("body", b""))

    with pytest.raises(ZeroDivisionError):
        asyncio.run(Streamed(failing(), "text/plain")({}, never, send))
    assert got == [b"", b"executed"]
