"""What a batch writes: the changes of all its events, put together by row, written one statement a kind."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from msgspec import UNSET, Struct
from msgspec.structs import asdict

from db.arrays import Pack, bigints, instants, integers, texts, uuids
from db.queries import statement
from projector.audit import AuditEntry, audit_entries
from shared.core.events import (
    REGISTRY_STREAM,
    ExternalKeyClaimed,
    Recorded,
    RegistryEvent,
    TypeActivated,
    TypeChanged,
    TypeDeactivated,
    TypeRegistered,
    external_key_of,
    uid_of,
)
from shared.core.rows import Change, DetailVersion, EntityVersion, Opened, Row, Superseded
from shared.core.timeline import Timeline

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from db.pool import Connection

KINDS: dict[str, tuple[type[Row], tuple[str, ...]]] = {
    "entity": (EntityVersion, ("display_name", "entity_type")),
    "detail": (DetailVersion, ("detail_type", "detail_value")),
}
"""The two kinds of rows, and what each says."""
UPDATED = ("id", "valid_to", "asserted_to", "valid_to_known_position", "updated_at")
SUPERSEDED = (
    "id",
    "entity_uid",
    "hashdiff",
    "valid_from",
    "valid_to",
    "recorded_from_position",
    "valid_to_known_position",
    "created_at",
    "updated_at",
    "actor",
)
OPENED = (*SUPERSEDED, "asserted_to")
CLAIM = ("source", "external_id", "entity_uid", "event_id", "position", "recorded_at", "actor")
HEAD = ("entity_uid", "version", "last_event_id", "last_position", "change_points", "registered_at", "schedule")

Statement = tuple[str, Mapping[str, Any]]
"""The name of a statement, and its parameters."""


PACKED: dict[str, Pack] = {
    **dict.fromkeys(("id", "audit_id", "position", "last_position"), bigints),
    **dict.fromkeys(("recorded_from_position", "valid_to_known_position"), bigints),
    **dict.fromkeys(("version", "change_points"), integers),
    **dict.fromkeys(("entity_uid", "event_id", "last_event_id"), uuids),
    **dict.fromkeys(("valid_from", "valid_to", "asserted_to", "created_at", "updated_at"), instants),
    **dict.fromkeys(("recorded_at", "registered_at"), instants),
    **dict.fromkeys(("display_name", "entity_type", "detail_type", "detail_value", "hashdiff", "actor"), texts),
    **dict.fromkeys(("table_name", "operation", "detail_code", "before_value", "after_value"), texts),
    **dict.fromkeys(("request_id", "ip_address", "user_agent", "reason", "source", "external_id"), texts),
}
"""How the values of a column are packed."""


class Parked(Struct, frozen=True):
    """An event set aside, and why."""

    position: int
    stream: str
    reason: str


class Writes:
    """The rows of a batch as they will be when it ends: one that opens and closes within it is inserted closed.

    A superseded row has the values that it had until then, whether it stood in its table or opened in this batch.
    """

    def __init__(self, parked_streams: Iterable[str] = ()) -> None:
        self.parked_streams = set(parked_streams)
        self.opened: dict[int, Row] = {}
        self.updated: dict[int, Row] = {}
        self.superseded: dict[int, Superseded] = {}
        self.heads: dict[UUID, Timeline] = {}
        self.audit: list[AuditEntry] = []
        self.registry: list[RegistryEvent] = []
        self.claims: list[Recorded] = []
        self.parked: list[Parked] = []
        self.forgotten: set[str] = set()

    def add(self, recorded: Recorded, timeline: Timeline, changes: Sequence[Change]) -> None:
        """Take in what one event of an entity changed."""
        for change in changes:
            row = change.row
            if isinstance(change, Superseded):
                self.opened.pop(row.id, None)
                self.updated.pop(row.id, None)
                self.superseded[row.id] = change
            elif isinstance(change, Opened) or row.id in self.opened:
                self.opened[row.id] = row
            else:
                self.updated[row.id] = row
        self.heads[timeline.entity_uid] = timeline
        self.audit += audit_entries(recorded, changes)

    def instants(self) -> Iterator[datetime]:
        """Yield where the rows that stand begin and end: there they become current, or cease to be."""
        for row in (*self.opened.values(), *self.updated.values()):
            yield row.valid_from
            if row.valid_to is not None:
                yield row.valid_to

    def park(self, position: int, stream: str, reason: str) -> None:
        """Set an event aside; what follows in its stream will have to be, too."""
        self.parked.append(Parked(position, stream, reason))
        self.parked_streams.add(stream)

    def forget(self, stream: str) -> None:
        """Let all rows of a stream go first, and what is parked of it: it is folded anew."""
        self.forgotten.add(stream)
        self.parked_streams.discard(stream)

    def statements(self) -> list[Statement]:
        """Return what writes everything, in this order: PURE, and most of the work is done by then.

        Rows are superseded before others close, and close before others open, so that no two of a group overlap or are
        current at a time; is_current is as of the checkpoint's clock.
        """
        made: list[Statement] = []
        if self.forgotten:
            made.append(("projector/forget_streams", _gone(sorted(self.forgotten))))
        for kind, (cls, said) in KINDS.items():
            gone = [change for change in self.superseded.values() if type(change.row) is cls]
            rows = [change.row for change in gone]
            more = {"recorded_to_position": bigints([change.recorded_to_position for change in gone])}
            made += _of_rows(f"projector/supersede_{kind}_rows", rows, (*SUPERSEDED, *said), more | _search_names(rows))
        for kind, (cls, _) in KINDS.items():
            rows = [row for row in self.updated.values() if type(row) is cls]
            made += _of_rows(f"projector/update_{kind}_rows", rows, UPDATED)
        for kind, (cls, said) in KINDS.items():
            rows = [row for row in self.opened.values() if type(row) is cls]
            made += _of_rows(f"projector/insert_{kind}_rows", rows, (*OPENED, *said), _search_names(rows))
        heads = list(self.heads.values())
        schedules = {"schedule": texts([as_array(timeline.schedule) for timeline in heads])}
        made += _of_rows("projector/upsert_heads", heads, HEAD[:-1], schedules)
        made += _of_rows("projector/insert_audit_entries", self.audit, AuditEntry.__struct_fields__)
        if self.claims:
            rows_of_claims = list(map(claim_row, self.claims))
            columns = {name: PACKED[name]([row[name] for row in rows_of_claims]) for name in CLAIM}
            made.append(("projector/insert_external_keys", columns))
        made += [(f"projector/fold_{event.kind}_type", type_columns(event)) for event in self.registry]
        made += [("projector/park_event", asdict(parked)) for parked in self.parked]
        return made

    async def apply(self, connection: Connection) -> None:
        """Write everything inside the caller's transaction."""
        await execute(connection, self.statements())


async def execute(connection: Connection, statements: Iterable[Statement]) -> None:
    """Run statements one after the other."""
    for name, parameters in statements:
        await connection.execute(statement(name), parameters, prepare=True)


def _gone(streams: Sequence[str]) -> dict[str, Any]:
    """Return what finds the rows of some streams: entities, keys of other systems, or all types."""
    keys = [key for stream in streams if (key := external_key_of(stream)) is not None]
    return {
        "streams": streams,
        "uids": [uid for stream in streams if (uid := uid_of(stream)) is not None],
        "sources": [source for source, _ in keys],
        "external_ids": [external_id for _, external_id in keys],
        "types": REGISTRY_STREAM in streams,
    }


def as_array(instants: Sequence[datetime]) -> str:
    """Return the text of an array of PostgreSQL's: unnest would take arrays in an array apart."""
    return "{" + ",".join(instant.isoformat() for instant in instants) + "}"


def _search_names(rows: Sequence[Row]) -> dict[str, Any]:
    return {"search_name": texts([row.display_name.casefold() for row in rows if isinstance(row, EntityVersion)])}


def _of_rows(
    name: str, rows: Sequence[Struct], fields: Sequence[str], more: Mapping[str, Any] | None = None
) -> list[Statement]:
    """Return a statement that takes its rows as one array a column, and more; nothing to write is nothing to run."""
    if not rows:
        return []
    columns = zip(*map(attrgetter(*fields), rows), strict=True)
    packed = {field: PACKED[field](column) for field, column in zip(fields, columns, strict=True)}
    return [(name, {**packed, **(more or {})})]


def claim_row(recorded: Recorded) -> dict[str, Any]:
    """Return the row of `external_key` that a claim makes."""
    event = recorded.event
    assert isinstance(event, ExternalKeyClaimed)  # noqa: S101  # no other event is a claim
    return {
        "source": event.source,
        "external_id": event.external_id,
        "entity_uid": event.entity_uid,
        "event_id": recorded.event_id,
        "position": recorded.position,
        "recorded_at": recorded.recorded_at,
        "actor": recorded.metadata.actor,
    }


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
