"""What a batch writes: the changes of all its events, put together by row, written one statement a kind."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from msgspec import UNSET, Struct

from db.queries import statement
from projector.audit import AuditEntry, audit_entries
from shared.core.events import (
    Recorded,
    RegistryEvent,
    TypeActivated,
    TypeChanged,
    TypeDeactivated,
    TypeRegistered,
)
from shared.core.rows import Change, DetailVersion, EntityVersion, Opened, Row
from shared.core.timeline import Timeline

if TYPE_CHECKING:
    from uuid import UUID

    from db.pool import Connection

UPDATED = ("id", "valid_to", "asserted_to", "valid_to_known_position", "updated_at")
COMMON = (
    "id",
    "entity_uid",
    "hashdiff",
    "valid_from",
    "valid_to",
    "asserted_to",
    "recorded_from_position",
    "valid_to_known_position",
    "created_at",
    "updated_at",
    "actor",
)
HEAD = ("entity_uid", "version", "last_event_id", "last_position", "change_points", "registered_at", "retired_at")


class Parked(Struct, frozen=True):
    """An event set aside, and why."""

    position: int
    stream: str
    reason: str


class Writes:
    """The rows of one batch as they will be when it ends: a row that opens and closes within it is inserted closed."""

    def __init__(self, parked_streams: Iterable[str] = ()) -> None:
        self.parked_streams = set(parked_streams)
        self.opened: dict[int, Row] = {}
        self.updated: dict[int, Row] = {}
        self.heads: dict[UUID, Timeline] = {}
        self.audit: list[AuditEntry] = []
        self.registry: list[RegistryEvent] = []
        self.parked: list[Parked] = []

    def add(self, recorded: Recorded, timeline: Timeline, changes: Sequence[Change]) -> None:
        """Take in what one event of an entity changed."""
        for change in changes:
            row = change.row
            if isinstance(change, Opened) or row.id in self.opened:
                self.opened[row.id] = row
            else:
                self.updated[row.id] = row
        self.heads[timeline.entity_uid] = timeline
        self.audit += audit_entries(recorded, changes)

    def park(self, position: int, stream: str, reason: str) -> None:
        """Set an event aside; what follows in its stream will have to be, too."""
        self.parked.append(Parked(position, stream, reason))
        self.parked_streams.add(stream)

    async def apply(self, connection: Connection) -> None:
        """Write everything inside the caller's transaction: rows close before others open."""
        for kind, cls in (("entity", EntityVersion), ("detail", DetailVersion)):
            rows = [row for row in self.updated.values() if isinstance(row, cls)]
            await _execute(connection, f"projector/update_{kind}_rows", rows, UPDATED)
        entities = [row for row in self.opened.values() if isinstance(row, EntityVersion)]
        search_names = {"search_name": [row.display_name.casefold() for row in entities]}
        await _execute(
            connection,
            "projector/insert_entity_rows",
            entities,
            (*COMMON, "display_name", "entity_type"),
            search_names,
        )
        details = [row for row in self.opened.values() if isinstance(row, DetailVersion)]
        await _execute(connection, "projector/insert_detail_rows", details, (*COMMON, "detail_type", "detail_value"))
        await _execute(connection, "projector/upsert_heads", self.heads.values(), HEAD)
        await _execute(connection, "projector/insert_audit_entries", self.audit, AuditEntry.__struct_fields__)
        for event in self.registry:
            name = f"projector/fold_{event.kind}_type"
            await connection.execute(statement(name), type_columns(event))
        for parked in self.parked:
            await connection.execute(
                statement("projector/park_event"),
                {"position": parked.position, "stream": parked.stream, "reason": parked.reason},
            )


async def _execute(
    connection: Connection,
    name: str,
    rows: Iterable[Struct],
    fields: Sequence[str],
    more: Mapping[str, list[Any]] | None = None,
) -> None:
    """Run a statement that takes its rows as one array a column; nothing to write is nothing to run."""
    listed = list(rows)
    if listed:
        columns = {field: [getattr(row, field) for row in listed] for field in fields}
        await connection.execute(statement(name), {**columns, **(more or {})}, prepare=True)


def type_columns(event: RegistryEvent) -> dict[str, Any]:
    """Return what an event of the registry says about its type, None for what it does not speak of."""
    columns: dict[str, Any] = {"code": event.code, "name": None, "description": None, "is_active": None}
    match event:
        case TypeRegistered():
            columns |= {"name": event.name, "description": event.description, "is_active": True}
        case TypeChanged():
            columns["name"] = None if event.name is UNSET else event.name
            columns["description"] = None if event.description is UNSET else event.description
        case TypeActivated():
            columns["is_active"] = True
        case TypeDeactivated():
            columns["is_active"] = False
    return columns
