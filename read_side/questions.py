"""What can be asked of the read model, as data: which list, which page, at which instant, after which position."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from msgspec import Struct

from read_side.diff import Mode
from shared.core.hashdiff import detail_hash

Order = Literal["-valid_from", "display_name", "entity_uid"]


class Known(Struct, frozen=True, kw_only=True):
    """Whose knowledge is asked for: that of a position, or of an instant; the latest where neither is given."""

    position: int | None = None
    instant: datetime | None = None


LATEST = Known()


class Asked(Struct, frozen=True, kw_only=True):
    """What every read can ask: the instant (None is now), as known when, and a position that must have been reached.

    `own_position` is what the client wrote last: it is waited for as well, for a while, and nothing fails without it.
    """

    as_of: datetime | None = None
    known: Known = LATEST
    min_position: int = 0
    own_position: int = 0


class Slice(Struct, frozen=True, kw_only=True):
    """One page of a list, from 1; uncounted, it takes one item more, which tells whether another page follows."""

    page: int = 1
    size: int
    counted: bool = True

    def params(self) -> dict[str, Any]:
        """Return the parameters that the statements take."""
        return {
            "limit": self.size + (not self.counted),
            "offset": (self.page - 1) * self.size,
            "counted": self.counted,
        }


class Filters(Struct, frozen=True, kw_only=True):
    """Which entities a list holds and in which order: part of a name, a type, the value of one detail."""

    q: str | None = None
    entity_type: str | None = None
    detail: tuple[str, str] | None = None
    order: Order = "-valid_from"

    @property
    def only_type(self) -> bool:
        """Whether it is the plain list, or that of one type."""
        return self.q is None and self.detail is None and self.order == "-valid_from"

    def params(self) -> dict[str, Any]:
        """Return the parameters that the statements take."""
        return {
            "pattern": None if self.q is None else f"%{escape_like(self.q.casefold())}%",
            "type": self.entity_type,
            "detail_type": self.detail[0] if self.detail else None,
            "detail_hash": detail_hash(*self.detail) if self.detail else None,
            "order": self.order,
        }


class Window(Struct, frozen=True, kw_only=True):
    """A stretch of valid time whose changes are asked for, of all entities or of one."""

    start: datetime
    end: datetime
    mode: Mode = "net"
    entity_uid: UUID | None = None


class Trail(Struct, frozen=True, kw_only=True):
    """Which audit entries are asked for, those recorded in [start, end) where these are given."""

    entity_uid: UUID | None = None
    actor: str | None = None
    operation: Literal["INSERT", "UPDATE", "DELETE"] | None = None
    request_id: str | None = None
    start: datetime | None = None
    end: datetime | None = None

    def params(self) -> dict[str, Any]:
        """Return the parameters that the statement takes."""
        return {
            "uid": self.entity_uid,
            "actor": self.actor,
            "operation": self.operation,
            "request_id": self.request_id,
            "from": self.start,
            "to": self.end,
        }


def escape_like(text: str) -> str:
    r"""Return a LIKE pattern that matches the text and nothing else.

    >>> print(escape_like("50%_\\"))
    50\%\_\\
    """
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
