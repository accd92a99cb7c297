"""What can be asked of the read model, as data: which list, which page, at which instant, after which position."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from msgspec import Meta, Struct
from msgspec.structs import replace

from read_side.diff import Mode
from read_side.steps import Points
from shared.core.assertions import DETAILS
from shared.core.hashdiff import detail_hash
from shared.core.turn import ROWS_PER_EVENT

Order = Literal["-valid_from", "display_name", "entity_uid"]
SHALLOW = 1000
"""Pages are asked for together where as many items are before them: nobody waits for those far deeper."""
LAST_ENTRY = 2**63 - 1
"""No audit_id is greater."""


class Known(Struct, frozen=True, kw_only=True):
    """Whose knowledge is asked for: that of a position, or of an instant; the latest where neither is given."""

    position: int | None = None
    instant: datetime | None = None
    parameter: str = "known_at"
    """What the client called the instant: an error names it."""


LATEST = Known()


class Asked(Struct, frozen=True, kw_only=True):
    """What every read can ask: the instant (None is now), as known when, and a position that must have been reached.

    `now` is the instant that counts as now on every page of a list that is pinned; the clock's where it is None.
    `own_position` is what the client wrote last: it is waited for as well, for a while, and nothing fails without it.
    """

    as_of: datetime | None = None
    now: datetime | None = None
    known: Known = LATEST
    min_position: int = 0
    own_position: int = 0


Parts = frozenset[Literal["instant", "text", "uid", "number"]]
"""Which parts a key has: the order of a list needs just these."""


class Key(Struct, frozen=True, array_like=True, omit_defaults=True, forbid_unknown_fields=True):
    """What an item of a list is found by, in the order of the list: as much of it as that order needs."""

    instant: Annotated[datetime, Meta(tz=True)] | None = None
    text: Annotated[str, Meta(pattern="^[^\\x00]*$")] | None = None
    uid: UUID | None = None
    number: Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)] | None = None

    @property
    def parts(self) -> frozenset[str]:
        """The names of the parts that it has."""
        return frozenset(name for name in self.__struct_fields__ if getattr(self, name) is not None)

    def in_utc(self) -> Key:
        """Return the same key, its instant in UTC. Raises OverflowError where the calendar has no such instant."""
        return self if self.instant is None else replace(self, instant=self.instant.astimezone(UTC))


ENTITY_PARTS: dict[Order, Parts] = {
    "-valid_from": frozenset({"instant", "uid"}),
    "display_name": frozenset({"text", "uid"}),
    "entity_uid": frozenset({"uid"}),
}


class Slice(Struct, frozen=True, kw_only=True):
    """One page of a list, by its number from 1, or by the key that it comes after (or before, backward).

    Uncounted or by key, it takes one item more, which tells whether another page follows. `total` is how many there
    are, where an earlier page told.
    """

    page: int = 1
    size: int
    counted: bool = True
    keyed: bool = False
    after: Key | None = None
    backward: bool = False
    total: int | None = None

    @property
    def is_shallow(self) -> bool:
        """Whether few items are before it."""
        return self._offset < SHALLOW

    @property
    def _offset(self) -> int:
        return 0 if self.keyed else (self.page - 1) * self.size

    def params(self) -> dict[str, Any]:
        """Return the parameters that the statements take."""
        after, offset = self.after or Key(), self._offset
        return {
            "limit": self.size + (self.keyed or not self.counted),
            "offset": offset,
            "depth": offset // SHALLOW,
            "counted": self.counted and self.total is None,
            "backward": self.backward,
            "after_instant": after.instant,
            "after_text": after.text,
            "after_uid": after.uid,
            "after_number": after.number,
        }


class Chronicle(Struct, frozen=True, kw_only=True):
    """Which versions of an entity a history holds, and in which order."""

    newest_first: bool = False
    field: str | None = None
    superseded: bool = False

    def params(self) -> dict[str, Any]:
        """Return the parameters that the statement takes: a field is found in the rows that hold it."""
        is_detail = self.field is not None and self.field.startswith(DETAILS)
        return {
            "newest": self.newest_first,
            "superseded": self.superseded,
            "kind": None if self.field is None else "detail" if is_detail else "entity",
            "detail_type": self.field.removeprefix(DETAILS) if self.field is not None and is_detail else None,
        }


class Keys(Struct, frozen=True, kw_only=True):
    """Which external keys are asked for: of one system, with one id, of one entity."""

    source: str | None = None
    external_id: str | None = None
    entity_uid: UUID | None = None

    def params(self) -> dict[str, Any]:
        """Return the parameters that the statement takes."""
        return {"source": self.source, "external_id": self.external_id, "uid": self.entity_uid}


ALL_KEYS = Keys()


class Filters(Struct, frozen=True, kw_only=True):
    """Which entities a list holds and in which order: part of a name, a type, the value of one detail, a key."""

    q: str | None = None
    entity_type: str | None = None
    detail: tuple[str, str] | None = None
    keys: Keys = ALL_KEYS
    order: Order = "-valid_from"

    @property
    def only_type(self) -> bool:
        """Whether it is all there is in that order, or all of one type."""
        return self.q is None and self.detail is None and self.keys == ALL_KEYS

    def params(self) -> dict[str, Any]:
        """Return the parameters that the statements take."""
        return {
            "pattern": None if self.q is None else f"%{escape_like(self.q.casefold())}%",
            "type": self.entity_type,
            "detail_type": self.detail[0] if self.detail else None,
            "detail_hash": detail_hash(*self.detail) if self.detail else None,
            "order": self.order,
            "source": self.keys.source,
            "external_id": self.keys.external_id,
        }


class Window(Struct, frozen=True, kw_only=True):
    """Which two points are compared, of all entities or of one, in which way.

    `start` and `end` are both the instant that is asked for where neither is given; `known_from` is what is known at
    the second point where it is not given. In mode=knowledge a missing end is that of all of valid time.
    """

    start: datetime | None = None
    end: datetime | None = None
    known_from: Known | None = None
    mode: Mode = "net"
    entity_uid: UUID | None = None

    def params(self, known_from: int | None, known_to: int | None) -> dict[str, Any]:
        """Return the parameters that the statements take, the positions among them; NULL is the latest."""
        entries: tuple[int | None, int | None] = None, None
        if known_from is not None and known_to is not None:
            entries = first_entry(known_from + 1), first_entry(known_to + 1)
        return {
            "uid": self.entity_uid,
            "from": self.start,
            "to": self.end,
            "mode": self.mode,
            "known_from": known_from,
            "first_entry": entries[0],
            "end_of_entries": entries[1],
        }

    def points(self, as_of: datetime, known_from: int | None, known_to: int) -> Points:
        """Return the points, once it is known which instant and which position the question was answered at."""
        end = as_of if self.start is None else self.end
        return Points(self.start or as_of, end, known_to if known_from is None else known_from, known_to)


class Trail(Struct, frozen=True, kw_only=True):
    """Which audit entries are asked for, those recorded in [start, end) where these are given."""

    entity_uid: UUID | None = None
    actor: str | None = None
    operation: Literal["INSERT", "UPDATE", "DELETE"] | None = None
    request_id: str | None = None
    start: datetime | None = None
    end: datetime | None = None

    @property
    def filters(self) -> frozenset[str]:
        """The names of the filters that are set, but for the instants."""
        return frozenset(
            name for name in ("entity_uid", "actor", "operation", "request_id") if getattr(self, name) is not None
        )

    def params(self) -> dict[str, Any]:
        """Return the parameters that the statements take."""
        return {
            "uid": self.entity_uid,
            "actor": self.actor,
            "operation": self.operation,
            "request_id": self.request_id,
            "from": self.start,
            "to": self.end,
        }


def first_entry(position: int) -> int:
    """Return the audit_id from which on the audit entries of a position are found."""
    return min(position * ROWS_PER_EVENT, LAST_ENTRY)


def escape_like(text: str) -> str:
    r"""Return a LIKE pattern that matches the text and nothing else.

    >>> print(escape_like("50%_\\"))
    50\%\_\\
    """
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
