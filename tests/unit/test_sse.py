"""A stream ends when the service stops, whatever it waits for, and takes nothing before somebody wants it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from read_side.api.sse import until


class Source:
    """Gives a few items, then none for ever; it notes what was taken, and that it was ended."""

    def __init__(self) -> None:
        self.taken, self.ended = 0, False

    async def items(self) -> AsyncIterator[bytes]:
        try:
            for self.taken in range(1, 4):
                yield b"%d" % self.taken
            await asyncio.Event().wait()
        finally:
            self.ended = True


def test_a_stream_ends_at_once_when_the_service_stops_while_it_waits() -> None:
    async def work() -> None:
        source, stopping = Source(), asyncio.Event()
        found = []
        async with asyncio.timeout(10):
            async for item in until(stopping, source.items()):
                found.append(item)
                if len(found) == 3:
                    asyncio.get_running_loop().call_later(0.01, stopping.set)
        assert found == [b"1", b"2", b"3"]
        assert source.ended

    asyncio.run(work())


def test_nothing_is_taken_before_it_is_wanted() -> None:
    async def work() -> None:
        source = Source()
        stream = until(asyncio.Event(), source.items())
        assert await anext(stream) == b"1"
        await asyncio.sleep(0)
        assert source.taken == 1

    asyncio.run(work())


def test_a_fault_ends_the_stream_with_itself_and_an_end_with_nothing() -> None:
    async def faulty() -> AsyncIterator[bytes]:
        yield b"1"
        raise ZeroDivisionError

    async def short() -> AsyncIterator[bytes]:
        yield b"1"

    async def work() -> None:
        stream = until(asyncio.Event(), faulty())
        assert await anext(stream) == b"1"
        with pytest.raises(ZeroDivisionError):
            await anext(stream)
        assert [item async for item in until(asyncio.Event(), short())] == [b"1"]

    asyncio.run(work())
