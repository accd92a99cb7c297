"""One who follows the log: which position comes next, and which notices are still to be told.

An event is told once, in the order of positions: the client keeps the last one, and comes back with it. A notice has no
position. It is told when its instant has come and the read model has it, which may be after events that were recorded
later; so who comes back is told again all that came true since some time before the position that they come back with.
"""

from __future__ import annotations

from asyncio import get_running_loop
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from read_side.cloudevents import BECAME_EFFECTIVE
from read_side.feed import EventsPage, Instant
from shared.core.errors import invalid

if TYPE_CHECKING:
    from read_side.cloudevents import Notice
    from read_side.feed import Feed, Selection

PAGE = 100
"""How many events are read together: one page is all that waits for a slow client."""
OVERLAP = timedelta(minutes=10)
"""By how much the read model may have been behind the log when the client was told the position it comes back with."""
LOOK_SECONDS = 0.25
"""How long a notice may wait for others while the read model's clock goes on."""
BEGINNING = datetime.min.replace(tzinfo=UTC)


class Start(NamedTuple):
    """Where to begin: after a position, at the head of the log where there is none; and what the client calls it."""

    after: int | None
    parameter: str


class Follower:
    """Reads on where it stands; what raises leaves it there. `after` is the last position that was looked at."""

    def __init__(self, feed: Feed, selection: Selection, after: int, *, told: Instant, seen: int) -> None:
        self._feed, self._selection = feed, selection
        self.after = after
        self._told, self._seen = told, seen
        self._look_at = 0.0
        self._wants_notices = selection.types is None or BECAME_EFFECTIVE in selection.types

    @classmethod
    async def begin(cls, feed: Feed, selection: Selection, start: Start) -> Follower:
        """Begin after a position, or at the head of the log with what is to come.

        Raises Invalid for a position that the log does not have: what it gets up to there would be lost on the client.
        """
        after, parameter = start
        clock, head = await feed.clock(0), await feed.head()
        if after is None:
            return cls(feed, selection, head, told=Instant.behind(clock.at), seen=clock.position)
        if after > head:
            message = f"The log ends at position {head}. Where it was restored from an older backup, begin anew."
            raise invalid(parameter, message, "beyond_head")
        recorded_at = await feed.recorded_at(after)
        since = BEGINNING if recorded_at is None else min(recorded_at - OVERLAP, clock.at)
        return cls(feed, selection, after, told=Instant.before(since), seen=clock.position)

    async def events(self, most: int | None = None) -> EventsPage:
        """Return the next page of the log, of so many events at most."""
        page = await self._feed.page(self._selection, self.after, PAGE if most is None else min(most, PAGE))
        self.after = page.after
        return page

    async def notices(self) -> list[Notice]:
        """Return what came true and was not told yet, or the first part of it; now and then."""
        now = get_running_loop().time()
        if not self._wants_notices or now < self._look_at:
            return []
        clock = await self._feed.clock(self._seen)
        if clock.news_since is not None and clock.news_since < self._told.at:
            self._told = Instant.before(clock.news_since)  # it may tell of what has come true already
        self._seen = clock.position
        if self._told >= Instant.behind(clock.at):
            return []
        found, told = await self._feed.came_true(self._selection.entity_uid, self._told, clock.at)
        self._told = told
        self._look_at = now + LOOK_SECONDS if told.at == clock.at else now
        return found

    async def wait(self, seconds: float) -> None:
        """Return when there may be something to tell, or after so many seconds."""
        rest = self._look_at - get_running_loop().time()
        if not self._wants_notices:
            await self._feed.wait_for_news(self.after, None, seconds)
        elif rest > 0:
            await self._feed.wait_for_news(self.after, None, min(rest, seconds))
        else:
            await self._feed.wait_for_news(self.after, self._told.at, seconds)
