"""How much may wait: commands, and the memory they take, over all streams. Beyond it a client is told to come back."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from shared.core.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class Admission:
    """Counts the commands that are being executed, from their first look at the state to their verdict."""

    def __init__(self, *, commands: int, size: int) -> None:
        self._commands = commands
        self._size = size

    @asynccontextmanager
    async def admit(self, size: int) -> AsyncIterator[None]:
        """Count a command of so many bytes in for the length of the block. Raises Unavailable when it is too much."""
        if self._commands < 1 or self._size < size:
            raise Unavailable("Too many commands are waiting for the log.")
        self._commands -= 1
        self._size -= size
        try:
            yield
        finally:
            self._commands += 1
            self._size += size
