"""PURE: the rows of every table that whole streams lead to, cell by cell as the tables have them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from operator import attrgetter
from typing import TYPE_CHECKING, Any, TypeVar

from msgspec import Struct

from projector.audit import AuditEntry
from projector.rows import CLAIM, HEAD, KINDS, OPENED, SUPERSEDED, Parked, Writes, claim_row, type_columns
from shared.core.events import Kind
from shared.core.rows import EntityVersion, Row

if TYPE_CHECKING:
    from datetime import datetime

KEYS = {
    "entity_head": "entity_uid",
    "entity_version": "id",
    "entity_version_superseded": "id",
    "entity_detail_version": "id",
    "entity_detail_version_superseded": "id",
    "audit_entry": "audit_id",
    "external_key": "position",
    "entity_type": "code",
    "detail_type": "code",
    "parked_event": "position",
}
"""The tables that follow from the log, and what a row of each is found by."""

Cells = tuple[Any, ...]
Item = TypeVar("Item", bound=Struct)


class Content(Struct, frozen=True):
    """Some rows of one table: the columns, and the cells of each row in their order."""

    table: str
    columns: tuple[str, ...]
    rows: Iterable[Cells]


def contents(writes: Writes, clock: datetime) -> Iterator[Content]:
    """Yield what whole streams lead to, is_current as of the clock. What is empty is yielded, too."""
    for kind, (cls, said) in KINDS.items():
        table = "entity_version" if kind == "entity" else "entity_detail_version"
        search_name = ("search_name",) if cls is EntityVersion else ()
        opened = [row for row in writes.opened.values() if type(row) is cls]
        more: Iterable[Cells] = ((row.covers(clock), *_search_name(row)) for row in opened)
        yield _content(table, (*OPENED, *said), opened, ("is_current", *search_name), more)
        gone = [change for change in writes.superseded.values() if type(change.row) is cls]
        more = ((change.recorded_to_position, *_search_name(change.row)) for change in gone)
        columns = ("recorded_to_position", *search_name)
        yield _content(f"{table}_superseded", (*SUPERSEDED, *said), [change.row for change in gone], columns, more)
    timelines = writes.heads.values()
    yield _content("entity_head", HEAD[:-1], timelines, HEAD[-1:], ((list(one.schedule),) for one in timelines))
    yield _content("audit_entry", AuditEntry.__struct_fields__, writes.audit)
    yield Content("external_key", CLAIM, [tuple(claim_row(claim)[name] for name in CLAIM) for claim in writes.claims])
    for kind_of_type, types in _types(writes).items():
        yield Content(f"{kind_of_type}_type", ("code", "name", "description", "is_active"), types)
    yield _content("parked_event", Parked.__struct_fields__, writes.parked)


def _content(
    table: str,
    fields: Sequence[str],
    items: Iterable[Any],
    more_columns: tuple[str, ...] = (),
    more: Iterable[Cells] | None = None,
) -> Content:
    """Return rows made of fields of some items, and of more cells beside them."""
    cells = map(attrgetter(*fields), items)
    rows = cells if more is None else (one + another for one, another in zip(cells, more, strict=True))
    return Content(table, (*fields, *more_columns), rows)


def _search_name(row: Row) -> tuple[str, ...]:
    return (row.display_name.casefold(),) if isinstance(row, EntityVersion) else ()


def _types(writes: Writes) -> dict[Kind, list[Cells]]:
    """Return the types as the events of the registry leave them; it is one stream, so all of them are there."""
    types: dict[Kind, dict[str, dict[str, Any]]] = {kind: {} for kind in Kind}
    for event in writes.registry:
        said = {column: value for column, value in type_columns(event).items() if value is not None}
        known = types[event.kind].get(event.code, {"name": "", "description": "", "is_active": True})
        types[event.kind][event.code] = {**known, **said}
    return {
        kind: [(code, told["name"], told["description"], told["is_active"]) for code, told in found.items()]
        for kind, found in types.items()
    }
