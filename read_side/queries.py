"""The read model, asked: one statement a question, so one snapshot an answer, and the position and instant of it."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from read_side import rows as shaped
from read_side.questions import LATEST, Key, Known
from read_side.snapshots import Snapshot, Snapshots
from read_side.statements import TOGETHER
from shared.core.errors import CockpitError, NotYet, Retired, Unknown, UnknownThen, invalid

if TYPE_CHECKING:
    from uuid import UUID

    from psycopg_pool import AsyncConnectionPool

    from db.pool import Connection
    from db.waiting import Waiter
    from read_side.diff import EntityDiff
    from read_side.questions import Asked, Chronicle, Filters, Keys, Slice, Trail, Window
    from read_side.shapes import AuditOut, ExternalKeyOut, ParkedEventOut, ParkedOut, ScheduledOut, VersionOut
    from shared.http.shapes import EntityOut, TypeOut

Item = TypeVar("Item")
Refusal = TypeVar("Refusal", bound=CockpitError)

TRAILS: Mapping[frozenset[str], str] = {
    frozenset(): "read/list_audit",
    frozenset({"entity_uid"}): "read/list_audit_of_entity",
    frozenset({"operation"}): "read/list_audit_by_operation",
}
"""What lists audit entries by just these filters."""


class Found(Struct, Generic[Item], frozen=True, kw_only=True):
    """An answer: the position and the instant of valid time it was read at, its items, how many there are in all.

    `warning` says that something is missing in it because it is parked. `now` is the instant that a list in pages is
    pinned to, and `key` what an item of it is found by. `bodies` has what was made of it for each URL, and the ETag:
    whoever asked the same at the same moment is given the same answer.
    """

    position: int
    as_of: datetime
    items: list[Item]
    count: int | None = None
    etag: str | None = None
    warning: str | None = None
    now: datetime | None = None
    key: Callable[[Any], Key] | None = None
    bodies: dict[Hashable, tuple[bytes, bytes]] = {}


class ReadModel:
    """Answers questions from the read model alone.

    Every question raises Unavailable when the database does not answer, and when the read model has not reached the
    position asked for within `wait_seconds`; Invalid where it asks for what was known at an instant that has not come.
    """

    def __init__(
        self, pool: AsyncConnectionPool[Connection], page_size: int, wait_seconds: float, waiter: Waiter
    ) -> None:
        self.page_size = page_size
        self._snapshots = Snapshots(pool, wait_seconds, waiter)

    async def entity(self, uid: UUID, asked: Asked) -> Found[EntityOut]:
        """Return one entity, now with its ETag, or at an instant, or as it was known.

        Raises Unknown, UnknownThen where it was recorded later, Retired where it has ended, NotYet where it only begins
        later.
        """
        if asked.known != LATEST:
            name = "read/get_entity_known"
        else:
            name = "read/get_entity" if asked.as_of is None else "read/get_entity_as_of"
        found = await self._snapshots.fetch(name, {"uid": uid}, asked)
        now, event_id, due, retired_at, starts_at, is_known_now = found.first[:6]
        if retired_at is not None:
            raise _warned(Retired(uid, retired_at), found)
        if starts_at is not None:
            raise _warned(NotYet(uid, starts_at), found)
        items = shaped.listed(now, found.rows)
        if not items:
            raise _warned(UnknownThen() if is_known_now else Unknown("entity"), found)
        etag = None if event_id is None else f'"{event_id}.{due}"'
        return _found(found, items, None, etag=etag)

    async def entities(self, filters: Filters, part: Slice, asked: Asked) -> Found[EntityOut]:
        """Return a page of what exists now, or did at an instant. Raises Invalid for an unknown or inactive type."""
        name = _list(filters, part, asked)
        if name not in TOGETHER and (part.keyed or asked.known != LATEST):
            asked = await self._pinned(asked)
            asked = replace(asked, as_of=asked.as_of or asked.now)
        params = {**filters.params(), **part.params()}
        snapshot = await self._snapshots.fetch(name, params, asked, prepare=name in TOGETHER)
        return snapshot.once(lambda: _listed(snapshot, name, filters))

    async def history(self, uid: UUID, chronicle: Chronicle, part: Slice, asked: Asked) -> Found[VersionOut]:
        """Return a page of an entity's versions; with as_of those begun by then. Raises Unknown."""
        asked = await self._pinned(asked) if part.keyed else asked
        params = {"uid": uid, **chronicle.params(), **part.params()}
        found = await self._snapshots.fetch("read/list_history", params, asked)
        now, count, is_known = found.first[:3]
        if not is_known:
            raise _warned(Unknown("entity"), found)
        items = shaped.versions(uid, now, found.position, found.rows[1:])
        return _found(found, items, count, asked.now, shaped.version_key)

    async def scheduled(self, uid: UUID | None, part: Slice, asked: Asked) -> Found[ScheduledOut]:
        """Return a page of the changes that come after an instant, of one entity or of all."""
        asked = await self._pinned(asked) if part.keyed else asked
        most = part.size + 2 if part.keyed else part.page * part.size + 1  # every instant has a change at least
        params = {"uid": uid, "most": most, **part.params()}
        found = await self._snapshots.fetch("read/list_scheduled", params, asked)
        count, passed = found.first[:2]
        items = shaped.scheduled(part, found.position, passed, (row[2:] for row in found.behind))
        return _found(found, items, count, asked.now, shaped.scheduled_key)

    async def diff(self, window: Window, part: Slice, asked: Asked) -> Found[EntityDiff]:
        """Return a page of what differs between two points, by uid."""
        asked = await self._pinned(asked) if part.keyed else asked
        known_to = await self._snapshots.position_of(asked.known)
        known_from = None if window.known_from is None else await self._snapshots.position_of(window.known_from)
        asked = replace(asked, known=Known(position=known_to))
        params = {**window.params(known_from, known_to), **part.params()}
        is_of_one = window.entity_uid is not None
        name = "read/diff_entity" if is_of_one else "read/diff_entities"
        found = await self._snapshots.fetch(name, params, asked)
        count = found.first[0]
        points = window.points(found.as_of, known_from, found.position)
        items = shaped.differences(window.mode, points, (row[1:] for row in found.behind))
        if is_of_one:
            count = len(items) if part.counted else None
            items = items if part.page == 1 and part.after is None else []
        return _found(found, items, count, asked.now, shaped.difference_key)

    async def audit(self, trail: Trail, part: Slice, asked: Asked) -> Found[AuditOut]:
        """Return a page of the audit trail, newest first."""
        asked = await self._pinned(asked) if part.keyed else asked
        name = TRAILS.get(trail.filters, "read/list_audit_of")
        params = {**trail.params(), **part.params()}
        found = await self._snapshots.fetch(name, params, asked, prepare=name in TOGETHER)
        return found.once(lambda: _audited(found, asked))

    async def external_keys(self, keys: Keys, part: Slice, asked: Asked) -> Found[ExternalKeyOut]:
        """Return a page of the keys that other systems know entities by, in the order of their claims."""
        asked = await self._pinned(asked) if part.keyed else asked
        params = {**keys.params(), **part.params()}
        found = await self._snapshots.fetch("read/list_external_keys", params, asked, prepare=False)
        count = found.first[0]
        items = shaped.external_keys(row[1:] for row in found.behind)
        return _found(found, items, count, asked.now, shaped.external_key_key)

    async def types(self, kind: Literal["entity", "detail"], part: Slice, asked: Asked) -> Found[TypeOut]:
        """Return a page of the entity types or the detail types, by code: as they are now, even where it is pinned."""
        name = "read/list_entity_types" if kind == "entity" else "read/list_detail_types"
        found = await self._snapshots.fetch(name, part.params(), replace(asked, known=LATEST))
        count = found.first[0]
        items = shaped.types(row[1:] for row in found.behind)
        return _found(found, items, count, found.as_of, shaped.type_key)

    async def parked(self, part: Slice, asked: Asked) -> Found[ParkedOut]:
        """Return a page of the streams that are parked, each by its first event: as it is now, even where pinned."""
        found = await self._snapshots.fetch("read/list_parked", part.params(), replace(asked, known=LATEST))
        items = [shaped.parked(row[1:]) for row in found.behind if row[1] is not None]
        return _found(found, items, found.first[0], found.as_of, shaped.parked_key)

    async def parked_event(self, position: int, asked: Asked) -> Found[ParkedEventOut]:
        """Return an event that is parked, as it is stored. Raises Unknown for one that is not."""
        found = await self._snapshots.fetch("read/get_parked", {"at": position}, replace(asked, known=LATEST))
        items = [shaped.parked_event(row) for row in found.behind if row[0] is not None]
        if not items:
            raise Unknown("parked event")
        return _found(found, items, None)

    async def _pinned(self, asked: Asked) -> Asked:
        return asked if asked.now is not None else await self._snapshots.pin(asked)


def _list(filters: Filters, part: Slice, asked: Asked) -> str:
    """Return the statement that lists entities, by what it can leave out."""
    is_of_now = asked.as_of is None and asked.known == LATEST and not part.keyed
    if is_of_now and filters.only_type and filters.order == "-valid_from":
        return "read/list_current"
    if is_of_now:
        return "read/search_current"
    is_of_then = asked.known != LATEST and not part.keyed  # most may not have been known: planned for it
    if filters.only_type and part.is_shallow and filters.order != "display_name" and not is_of_then:
        return "read/list_newest" if filters.order == "-valid_from" else "read/list_by_uid"
    is_by_uid = filters.order == "entity_uid" and filters.q is None
    how = "list" if is_by_uid and part.page == 1 else "search"
    return f"read/{how}_known" if part.keyed or asked.known != LATEST else f"read/{how}_as_of"


def _listed(snapshot: Snapshot, name: str, filters: Filters) -> Found[EntityOut]:
    """Return the page in what that statement found. Raises Invalid for a filter that it refused."""
    now, count, refused = snapshot.first[:3]
    if refused is not None:
        active = " that is active" if refused == "type" else ""
        raise _warned(invalid(refused, f"There is no such type{active}.", "unknown_type"), snapshot)
    if name in TOGETHER:
        items = shaped.listed(now, snapshot.rows)
    else:
        items = shaped.entities(now, (row[3:] for row in snapshot.behind))
    return _found(snapshot, items, count, now, shaped.ENTITY_KEYS[filters.order])


def _audited(snapshot: Snapshot, asked: Asked) -> Found[AuditOut]:
    items = shaped.audit_entries(row[1:] for row in snapshot.behind)
    return _found(snapshot, items, snapshot.first[0], asked.now, shaped.audit_key)


def _found(
    snapshot: Snapshot,
    items: list[Item],
    count: int | None,
    now: datetime | None = None,
    key: Callable[[Any], Key] | None = None,
    etag: str | None = None,
) -> Found[Item]:
    return Found(
        position=snapshot.position,
        as_of=snapshot.as_of,
        items=items,
        count=count,
        etag=etag,
        warning=snapshot.parked.warning,
        now=now,
        key=key,
    )


def _warned(error: Refusal, snapshot: Snapshot) -> Refusal:
    """Return the error with what is to be known beside it: it may hang on what is parked."""
    error.warning = snapshot.parked.warning
    return error
