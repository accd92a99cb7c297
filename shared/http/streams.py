"""Answers that are written while the request is still being read, for clients that read them meanwhile or only then."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from tempfile import SpooledTemporaryFile
from typing import TYPE_CHECKING, Self

from fastapi import Response

from shared.core.errors import CockpitError

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

IN_MEMORY = 1024 * 1024
PART = 65536
MOST_BYTES = 256 * 1024 * 1024
"""What waits for a client at most; beyond that, its request is read on only when it has taken that."""
TAKEN_SECONDS = 60.0
"""How long a client may take nothing at all while its request waits for it."""


class NotTaken(CockpitError):
    """{size} bytes of an answer wait, and for {seconds:g} s the client took nothing of it: it is broken off."""

    def __init__(self, size: int, seconds: float) -> None:
        self.size, self.seconds = size, seconds


class Streamed(Response):
    """Sends the parts as they come. Unlike Starlette's own it leaves the body of the request to whoever makes them.

    Most clients read nothing before they have sent all: what they do not take yet waits in a file, else both sides
    would wait for each other. Those with more than fits there have to read meanwhile, or are broken off.
    """

    def __init__(self, parts: AsyncGenerator[bytes, None], media_type: str) -> None:
        super().__init__(None, media_type=media_type)
        del self.headers["content-length"]
        self._parts = parts

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        """Send the head at once, then every part; a fault breaks the answer off, so that it never looks whole."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        async with Backlog() as backlog:
            making = asyncio.create_task(self._make(backlog))
            sending = asyncio.create_task(self._send(backlog, send))
            try:
                await asyncio.wait({making, sending}, return_when=asyncio.FIRST_COMPLETED)
                if not (making.done() and isinstance(making.exception(), NotTaken)):
                    await sending
                await making
            finally:
                making.cancel()
                sending.cancel()
                await asyncio.gather(making, sending, return_exceptions=True)
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _make(self, backlog: Backlog) -> None:
        try:
            async with aclosing(self._parts) as parts:
                async for part in parts:
                    await backlog.put(part)
        finally:
            backlog.end()

    async def _send(self, backlog: Backlog, send: Send) -> None:
        async for part in backlog:
            await send({"type": "http.response.body", "body": part, "more_body": True})


class Backlog:
    """Bytes in, bytes out, in order; up to MOST_BYTES wait to be taken, beyond IN_MEMORY in a file."""

    def __init__(self) -> None:
        self._file = SpooledTemporaryFile[bytes](IN_MEMORY)
        self._taken = self._put = 0
        self._has_ended = False
        self._more, self._room = asyncio.Event(), asyncio.Event()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self._file.close()

    async def put(self, part: bytes) -> None:
        """Add some bytes, once there is room for them. Raises NotTaken where nothing is taken for TAKEN_SECONDS."""
        while self._put and self._put + len(part) > MOST_BYTES:
            self._room.clear()
            try:
                async with asyncio.timeout(TAKEN_SECONDS):
                    await self._room.wait()
            except TimeoutError:
                raise NotTaken(self._put, TAKEN_SECONDS) from None
        self._file.seek(self._put)
        self._file.write(part)
        self._put += len(part)
        self._more.set()

    def end(self) -> None:
        """Say that no more will come."""
        self._has_ended = True
        self._more.set()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Yield what is there, as soon as it is, until the end."""
        while True:
            while self._taken < self._put:
                self._file.seek(self._taken)
                part = self._file.read(min(PART, self._put - self._taken))
                self._taken += len(part)
                yield part
                self._room.set()
            if self._has_ended:
                return
            self._taken = self._put = 0  # all is taken: the file need not grow
            self._room.set()
            self._more.clear()
            await self._more.wait()
