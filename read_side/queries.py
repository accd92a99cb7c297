"""The read model, asked: one statement a question, so one snapshot an answer, and the position and instant of it."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Generic, Literal, TypeVar

from msgspec import Struct

from read_side import rows as shaped
from read_side.snapshots import Snapshots
from shared.core.errors import Retired, Unknown, invalid

if TYPE_CHECKING:
    from uuid import UUID

    from psycopg_pool import AsyncConnectionPool

    from db.pool import Connection
    from db.waiting import Waiter
    from read_side.diff import EntityDiff
    from read_side.questions import Asked, Filters, Slice, Trail, Window
    from read_side.shapes import AuditOut, VersionOut
    from shared.http.shapes import EntityOut, TypeOut

Item = TypeVar("Item")


class Found(Struct, Generic[Item], frozen=True):
    """An answer: the position and the instant of valid time it was read at, its items, how many there are in all."""

    position: int
    as_of: datetime
    items: list[Item]
    count: int | None = None
    etag: str | None = None


class ReadModel:
    """Answers questions from the read model alone.

    Every question raises Unavailable when the database does not answer, and when the read model has not reached the
    position asked for within `wait_seconds`.
    """

    def __init__(
        self, pool: AsyncConnectionPool[Connection], page_size: int, wait_seconds: float, waiter: Waiter
    ) -> None:
        self.page_size = page_size
        self._snapshots = Snapshots(pool, wait_seconds, waiter)

    async def entity(self, uid: UUID, asked: Asked) -> Found[EntityOut]:
        """Return one entity, now with its ETag, or at an instant. Raises Unknown, and Retired where it has ended."""
        name = "read/get_entity" if asked.as_of is None else "read/get_entity_as_of"
        found = await self._snapshots.fetch(name, {"uid": uid}, asked)
        event_id, change_points, retired_at = found.rows[0][2:5]
        if retired_at is not None:
            raise Retired(uid, retired_at)
        items = shaped.entities(row[5:] for row in found.rows)
        if not items:
            raise Unknown("entity")
        etag = f'"{event_id}.{change_points}"' if asked.as_of is None else None
        return Found(found.position, found.as_of, items, etag=etag)

    async def entities(self, filters: Filters, part: Slice, asked: Asked) -> Found[EntityOut]:
        """Return a page of what exists now, or did at an instant. Raises Invalid for an unknown or inactive type."""
        params = {**filters.params(), **part.params()}
        if asked.as_of is not None:
            name = "read/list_as_of" if filters.order == "entity_uid" else "read/search_as_of"
            found = await self._snapshots.fetch(name, params, asked, prepare=False)
        elif not filters.only_type:
            found = await self._snapshots.fetch("read/search_current", params, asked, prepare=False)
        elif filters.entity_type is not None:
            found = await self._snapshots.fetch("read/list_current_by_type", params, asked)
        else:
            found = await self._snapshots.fetch("read/list_current", params, asked)
        count, refused = found.rows[0][2:4]
        if refused is not None:
            active = " that is active" if refused == "type" else ""
            raise invalid(refused, f"There is no such type{active}.", "unknown_type")
        return Found(found.position, found.as_of, shaped.entities(row[4:] for row in found.rows), count)

    async def history(self, uid: UUID, part: Slice, asked: Asked) -> Found[VersionOut]:
        """Return a page of an entity's versions, oldest first; with as_of those begun by then. Raises Unknown."""
        found = await self._snapshots.fetch("read/list_history", {"uid": uid, **part.params()}, asked)
        count, known = found.rows[0][2:4]
        if known is None:
            raise Unknown("entity")
        return Found(found.position, found.as_of, shaped.versions(uid, (row[4:] for row in found.rows)), count)

    async def diff(self, window: Window, part: Slice, asked: Asked) -> Found[EntityDiff]:
        """Return a page of what changed in a window, by uid."""
        params = {"uid": window.entity_uid, "from": window.start, "to": window.end, **part.params()}
        if window.entity_uid is not None:
            name = "read/diff_entity"
        else:
            name = "read/diff_net" if window.mode == "net" else "read/diff_changes"
        found = await self._snapshots.fetch(name, params, asked, prepare=window.entity_uid is not None)
        count = found.rows[0][2]
        items = shaped.differences(window, (row[3:] for row in found.rows))
        if window.entity_uid is not None:
            count = len(items) if part.counted else None
            items = items if part.page == 1 else []
        return Found(found.position, found.as_of, items, count)

    async def audit(self, trail: Trail, part: Slice, asked: Asked) -> Found[AuditOut]:
        """Return a page of the audit trail, newest first."""
        found = await self._snapshots.fetch(
            "read/list_audit", {**trail.params(), **part.params()}, asked, prepare=False
        )
        count = found.rows[0][2]
        return Found(found.position, found.as_of, shaped.audit_entries(row[3:] for row in found.rows), count)

    async def types(self, kind: Literal["entity", "detail"], part: Slice, asked: Asked) -> Found[TypeOut]:
        """Return a page of the entity types or the detail types, by code."""
        name = "read/list_entity_types" if kind == "entity" else "read/list_detail_types"
        found = await self._snapshots.fetch(name, part.params(), asked)
        count = found.rows[0][2]
        return Found(found.position, found.as_of, shaped.types(row[3:] for row in found.rows), count)
