"""A proxy in front of the test server: it can be gone, and it can cut a connection in place of an answer."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from psycopg.conninfo import conninfo_to_dict, make_conninfo


class Proxy:
    """Passes everything on; with `cut_on` set, it aborts the connection instead of answering what contains that."""

    def __init__(self, folder: Path, server: str) -> None:
        known = conninfo_to_dict(server)
        self._host, self._port = str(known["host"]), int(known.get("port") or 5432)
        self._socket = folder / ".s.PGSQL.5432"
        self._listening: asyncio.Server | None = None
        self._serving: dict[asyncio.Task[Any], asyncio.StreamWriter] = {}
        self.conninfo = make_conninfo(server, host=str(folder), port=5432)
        self.cut_on: bytes | None = None
        self.cuts = 0
        self.listening: set[asyncio.StreamReader] = set()
        """The connections, open or not, on which LISTEN was said."""

    async def start(self) -> None:
        self._listening = await asyncio.start_unix_server(self._serve, self._socket)

    async def stop(self) -> None:
        """Be a server that is gone."""
        if self._listening is not None:
            self._listening.close()
        self._socket.unlink(missing_ok=True)
        for client in self._serving.values():
            client.transport.abort()
        await asyncio.gather(*self._serving)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._serving[task] = writer
        if self._host.startswith("/"):
            there, back = await asyncio.open_unix_connection(f"{self._host}/.s.PGSQL.{self._port}")
        else:
            there, back = await asyncio.open_connection(self._host, self._port)
        asked = bytearray()
        passing = {
            asyncio.create_task(self._ask(reader, back, asked)),
            asyncio.create_task(self._answer(there, writer, asked)),
        }
        await asyncio.wait(passing, return_when=asyncio.FIRST_COMPLETED)
        for end in (writer, back):
            end.transport.abort()
            with suppress(OSError):
                await end.wait_closed()
        await asyncio.gather(*passing)
        del self._serving[task]

    async def _ask(self, client: asyncio.StreamReader, server: asyncio.StreamWriter, asked: bytearray) -> None:
        with suppress(OSError):
            while data := await client.read(65536):
                asked += data
                if b"LISTEN " in data:
                    self.listening.add(client)
                server.write(data)

    async def _answer(self, server: asyncio.StreamReader, client: asyncio.StreamWriter, asked: bytearray) -> None:
        with suppress(OSError):
            while data := await server.read(65536):
                if self.cut_on is not None and self.cut_on in asked:
                    self.cuts, self.cut_on = self.cuts + 1, None
                    return
                asked.clear()
                client.write(data)


@asynccontextmanager
async def proxied(server: str) -> AsyncIterator[Proxy]:
    """Give a proxy in front of a server, there for the length of the block."""
    with tempfile.TemporaryDirectory() as folder:
        proxy = Proxy(Path(folder), server)
        await proxy.start()
        try:
            yield proxy
        finally:
            await proxy.stop()
