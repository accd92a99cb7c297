"""Who wrote last, and how far: so that a client that writes and reads at once through one process finds what it wrote.

The original answered from the tables it had just written, and its clients count on it. Beyond one process, clients
send `min_position`.
"""

from __future__ import annotations

from collections import OrderedDict
from time import monotonic
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fastapi import Request

REMEMBERED = 10_000
SECONDS = 5.0
"""After which the read model has it, or has trouble that waiting does not mend."""


class OwnWrites:
    """The last position that each client address wrote; the oldest are forgotten."""

    def __init__(self) -> None:
        self._positions: OrderedDict[str, tuple[int, float]] = OrderedDict()

    def note(self, request: Request, position: int) -> None:
        """Remember that the client's writes reach up to a position."""
        client = _client(request)
        before, _ = self._positions.get(client, (0, 0.0))
        self._positions[client] = (max(position, before), monotonic())
        self._positions.move_to_end(client)
        if len(self._positions) > REMEMBERED:
            self._positions.popitem(last=False)

    def of(self, request: Request) -> int:
        """Return the last position the client wrote here a moment ago, 0 when none is known."""
        position, at = self._positions.get(_client(request), (0, 0.0))
        return position if monotonic() - at < SECONDS else 0


def _client(request: Request) -> str:
    client = request.scope.get("client")
    return str(client[0]) if client else ""
