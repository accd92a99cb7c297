"""How much may wait: commands, and the memory they take, over all streams. Beyond it a client is told to come back."""

from __future__ import annotations

from msgspec import Struct

from shared.core.errors import Unavailable


class Admission:
    """Counts the commands that are being executed, from their first look at the state to their verdict."""

    def __init__(self, *, commands: int, size: int) -> None:
        self.commands = commands
        self.size = size

    def admit(self, size: int, commands: int = 1) -> Admitted:
        """Return what counts a command of so many bytes in for the length of a block, or several together."""
        return Admitted(self, commands, size)


class Admitted(Struct):
    """What is counted in while a block runs. Raises Unavailable when it is too much."""

    of: Admission
    commands: int
    size: int

    def __enter__(self) -> None:
        """Count it in."""
        if self.of.commands < self.commands or self.of.size < self.size:
            raise Unavailable("Too many commands are waiting for the log.")
        self.of.commands -= self.commands
        self.of.size -= self.size

    def __exit__(self, *_: object) -> None:
        """Count it out."""
        self.of.commands += self.commands
        self.of.size += self.size
