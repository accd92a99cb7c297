"""What exports ask and the API does not: every version there is, by id, and the log as it stands."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from db.log_lines import LoggedEvent
from read_side.queries import Found
from read_side.questions import LATEST, Key
from read_side.shapes import VersionRow
from read_side.snapshots import Snapshots
from shared.core.errors import invalid

if TYPE_CHECKING:
    from psycopg_pool import AsyncConnectionPool

    from db.pool import Connection
    from db.waiting import Waiter
    from read_side.questions import Asked, Slice


class Extracts:
    """Asks like ReadModel, and raises the same; pages are by key, and come in the order of what they hold."""

    def __init__(self, pool: AsyncConnectionPool[Connection], wait_seconds: float, waiter: Waiter) -> None:
        self._snapshots = Snapshots(pool, wait_seconds, waiter)

    async def versions(self, part: Slice, asked: Asked) -> Found[VersionRow]:
        """Return a page of the versions of all entities and details, by id: what is known, and no earlier belief."""
        asked = asked if asked.now is not None else await self._snapshots.pin(asked)
        params = {"limit": part.size + 1, "after": _after(part)}
        found = await self._snapshots.fetch("read/list_versions", params, asked, prepare=False)
        items = [VersionRow(*row) for row in found.behind if row[0] is not None]
        return Found(
            position=found.position,
            as_of=found.as_of,
            items=items,
            now=asked.now,
            key=_by_id,
            warning=found.parked.warning,
        )

    async def events(self, part: Slice, asked: Asked) -> Found[LoggedEvent]:
        """Return a page of the log, from its first event to a position or to its head: no read model has a part in it.

        Raises Invalid where the log ends before that position.
        """
        until = await self._snapshots.position_of(asked.known)
        params = {"limit": part.size + 1, "after": _after(part), "until": until}
        found = await self._snapshots.fetch("read/list_log", params, replace(asked, known=LATEST), prepare=False)
        if until is not None and until > found.position:
            raise invalid("position", f"The log ends at position {found.position}.", "beyond")
        items = [LoggedEvent(*row) for row in found.behind if row[0] is not None]
        position = found.position if until is None else until
        return Found(position=position, as_of=found.as_of, items=items, now=found.as_of, key=_by_position)


def _after(part: Slice) -> int:
    return 0 if part.after is None or part.after.number is None else part.after.number


def _by_id(version: VersionRow) -> Key:
    return Key(number=version.id)


def _by_position(event: LoggedEvent) -> Key:
    return Key(number=event.position)
