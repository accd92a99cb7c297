"""Entities: found by name, type and instant; one with every version it had, what changed in each, and by whom."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

from fastapi import Request, Response
from msgspec import Struct

from cockpit.admin.audit import entries
from cockpit.admin.pages import Filled, part_of, refused, render
from read_side.api.parameters import EntitiesQuery, PageQuery
from read_side.beliefs import Value
from read_side.queries import ReadModel
from read_side.questions import Asked, Chronicle, Slice, Trail, Window
from read_side.shapes import VersionOut
from shared.core.assertions import DETAILS, DISPLAY_NAME, ENTITY_TYPE
from shared.core.errors import Invalid, NotYet, Retired, Unknown
from shared.http.requests import read_query, read_uid
from shared.http.shapes import EntityOut, TypeOut

FIELDS = ("q", "type", "as_of", "order")
EVERY_TYPE = Slice(size=10_000, counted=False)
NEWEST_ENTRIES = Slice(size=10)
MICROSECOND = timedelta(microseconds=1)
EARLIEST = datetime.min.replace(tzinfo=UTC)


class Shown(Struct, frozen=True):
    """A value as it is shown: of which field, and what it was before."""

    field: str
    before: Value
    after: Value


class Version(Struct, frozen=True):
    """One version as it is shown: what it has, and what of it is other than before."""

    row: VersionOut
    changes: Sequence[Shown]


async def browse(request: Request) -> Response:
    """Show a page of the entities that are asked for."""
    read: ReadModel = request.app.state.read
    types = await active_types(request)
    try:
        query = read_query(request, EntitiesQuery)
        part = query.part(request)
        found = await read.entities(query.filters(), part, query.asked(request))
    except Invalid as error:
        form = refused(request, error, request.query_params, FIELDS)
        return render(request, "entities.html", form, types=types, found=None, as_of=None, warning=None)
    form = Filled(given=request.query_params)
    listed = part_of(request, found.items, found.count, part)
    return render(request, "entities.html", form, types=types, found=listed, as_of=query.as_of, warning=found.warning)


async def active_types(request: Request) -> list[TypeOut]:
    """Return the entity types that a list can be narrowed to."""
    read: ReadModel = request.app.state.read
    asked = Asked(own_position=request.app.state.own_writes.of(request))
    return [found for found in (await read.types("entity", EVERY_TYPE, asked)).items if found.is_active]


async def one(request: Request) -> Response:
    """Show an entity, its versions and its newest audit entries; where it does not exist, what there was."""
    read: ReadModel = request.app.state.read
    uid = read_uid(request.path_params)
    form = Filled(given=request.query_params)
    try:
        query = read_query(request, PageQuery)
    except Invalid as error:
        form = refused(request, error, request.query_params, FIELDS)
        query = PageQuery()
    part, asked = query.part(request), query.asked(request)
    history = await read.history(uid, Chronicle(), part, Asked(own_position=asked.own_position))
    entity, retired_since = await _entity(read, uid, asked)
    trail = await read.audit(Trail(entity_uid=uid), NEWEST_ENTRIES, asked)
    return render(
        request,
        "entity.html",
        form,
        uid=uid,
        entity=entity,
        retired_since=retired_since,
        as_of=query.as_of,
        warning=history.warning,
        versions=part_of(request, await _explained(read, uid, history.items), history.count, part),
        entries=entries(trail.items),
        entries_count=trail.count,
    )


async def _entity(read: ReadModel, uid: UUID, asked: Asked) -> tuple[EntityOut | None, datetime | None]:
    """Return the entity as it is at the instant; where it has ended, since when."""
    try:
        return (await read.entity(uid, asked)).items[0], None
    except Retired as error:
        return None, error.since
    except (NotYet, Unknown):  # it has a history, so this is before it began
        return None, None


async def _explained(read: ReadModel, uid: UUID, rows: Sequence[VersionOut]) -> list[Version]:
    """Return versions with what changed where each begins: the steps of the diff at that instant."""
    if not rows:
        return []
    before, last = max(rows[0].valid_from, EARLIEST + MICROSECOND) - MICROSECOND, rows[-1].valid_from
    at: dict[tuple[str, datetime], Shown] = {}
    if before < last:
        window = Window(start=before, end=last, mode="changes", entity_uid=uid)
        found = await read.diff(window, Slice(size=1, counted=False), Asked())
        for change in (change for diff in found.items for change in diff.changes):
            at[change.field, change.change_timestamp] = Shown(change.field, change.before, change.after)
    return [
        Version(row, [at.get((name, row.valid_from)) or Shown(name, value, value) for name, value in _values(row)])
        for row in rows
    ]


def _values(row: VersionOut) -> list[tuple[str, str]]:
    """Return what a version says, by field of the diff."""
    if row.type == "detail":
        return [(DETAILS + row.changes["detail_type"], row.changes["detail_value"])]
    return [(name, row.changes[name]) for name in (DISPLAY_NAME, ENTITY_TYPE)]
