"""The event feed: pages of the log, and what came true of what had been scheduled; for who follows along."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID

from msgspec import Struct

from db.asking import ask_one_of
from read_side import rows as shaped
from read_side.cloudevents import CloudEvent, Notice, cloud_event, notice
from shared.core.errors import Unavailable
from shared.core.events import entity_stream

if TYPE_CHECKING:
    from psycopg_pool import AsyncConnectionPool

    from db.pool import Connection
    from db.waiting import Waiter

WINDOW = 10_000
"""How many positions one page looks at, at most; of one entity, how many of its events."""
PAGE_BYTES = 4 * 1024 * 1024
"""How much a page holds of what its events say, but for the last of them: one is in it at least."""
LAST_POSITION = 2**63 - 1
POINTS = 100
"""How many instants at which something of an entity changes are looked at together."""


class Selection(Struct, frozen=True):
    """Which events: of these types, about this entity; all where nothing is said."""

    types: frozenset[str] | None = None
    entity_uid: UUID | None = None


class EventsPage(Struct, frozen=True):
    """Events in the order of their positions, up to where the log was looked at, and where it ended then."""

    events: list[CloudEvent]
    after: int
    head: int


class Instant(NamedTuple):
    """A place in the order in which changes come true: by instant, then by entity."""

    at: datetime
    uid: UUID

    @classmethod
    def before(cls, at: datetime) -> Instant:
        """Return the place before all that comes true at an instant."""
        return cls(at, UUID(int=0))

    @classmethod
    def behind(cls, at: datetime) -> Instant:
        """Return the place behind all that comes true at an instant."""
        return cls(at, UUID(int=2**128 - 1))


class Clock(NamedTuple):
    """How far the read model is: its position, up to when what fell due is current in it.

    `news_since` is when the first event was recorded that it has had since the position that was asked about.
    """

    position: int
    at: datetime
    news_since: datetime | None


class Feed:
    """Answers what the log has to tell. Every question raises Unavailable when the database does not answer."""

    def __init__(self, pool: AsyncConnectionPool[Connection], waiter: Waiter) -> None:
        self._pool = pool
        self.wait_for_news = waiter.wait_for_news

    async def page(self, selection: Selection, after: int, limit: int) -> EventsPage:
        """Return the next events after a position, at most `limit` and PAGE_BYTES, out of the next WINDOW of them."""
        types = None if selection.types is None else list(selection.types)
        params: dict[str, Any] = {"after": after, "limit": limit, "types": types, "bytes": PAGE_BYTES}
        if selection.entity_uid is None:
            params["window_end"] = min(after + WINDOW, LAST_POSITION)
            rows = await self._run("read/list_events", params)
        else:
            uid = selection.entity_uid
            params |= {"stream": entity_stream(uid), "entity_uid": uid, "window": WINDOW}
            rows = await self._run("read/list_stream_events", params)
        head, covered, found = rows[0][:3]
        events = [cloud_event(row[3:]) for row in rows] if found else []
        has_more = found is not None and (found == limit or len(events) < found)
        return EventsPage(events, events[-1].position if has_more else max(after, covered), head)

    async def head(self) -> int:
        """Return the last position of the log."""
        return (await self.page(Selection(), LAST_POSITION, 1)).head

    async def recorded_at(self, position: int) -> datetime | None:
        """Return when what is at a position was recorded; None before the first event."""
        rows = await self._run("read/get_recorded_at", {"position": position})
        return rows[0][0] if rows else None

    async def clock(self, seen: int) -> Clock:
        """Return how far the read model is."""
        rows = await self._run("read/get_clock", {"seen": seen})
        if not rows:
            raise _being_built()
        return Clock(*rows[0])

    async def came_true(self, entity_uid: UUID | None, after: Instant, until: datetime) -> tuple[list[Notice], Instant]:
        """Return the next changes that were recorded before the instants they came true at, up to an instant.

        With them comes the place up to which they are told.
        """
        params = {
            "uid": entity_uid,
            "after_instant": after.at,
            "after_uid": after.uid,
            "until": until,
            "limit": POINTS,
        }
        rows = await self._run("read/list_effective", params, prepare=False)
        if not rows:
            raise _being_built()
        position, has_more = rows[0][:2]
        changes = shaped.came_true(position, (row[2:] for row in rows))
        told = max(Instant(*row[2:4]) for row in rows if row[2] is not None) if has_more else Instant.behind(until)
        return [notice(change) for change in changes], told

    async def _run(self, name: str, params: dict[str, Any], *, prepare: bool = True) -> list[tuple[Any, ...]]:
        return await ask_one_of(self._pool, name, params, prepare=prepare)


def _being_built() -> Unavailable:
    return Unavailable("The read model has no checkpoint: it is being built.", retry_after=1)
