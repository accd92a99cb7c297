"""Hold the read model against a fresh fold of the log, cell by cell, and the log against its own chain of digests.

All of it sees one snapshot, so a projector may go on meanwhile. Memory follows CHUNK_ENTITIES, not the log.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any
from uuid import UUID

import psycopg
from msgspec import Struct
from msgspec.structs import asdict
from psycopg.rows import dict_row, scalar_row

from db.queries import statement
from projector.rows import HEAD, Writes, type_columns
from shared.core.codec import decode
from shared.core.errors import CockpitError
from shared.core.events import Kind, RegistryEvent, uid_of
from shared.core.rows import EntityVersion, Row
from shared.core.timeline import Timeline, fold

if TYPE_CHECKING:
    from collections.abc import Iterable

CHUNK_ENTITIES = 500
KEYS = {
    "entity_head": "entity_uid",
    "entity_version": "id",
    "entity_detail_version": "id",
    "audit_entry": "audit_id",
    "entity_type": "code",
    "detail_type": "code",
}

Cells = dict[str, Any]
Connection = psycopg.Connection[Any]


class Different(CockpitError):
    """{table} {key}, {column}: the log says {expected!r}, the table has {found!r}."""

    def __init__(self, table: str, key: object, column: str, expected: object, found: object) -> None:
        self.table, self.key, self.column, self.expected, self.found = table, key, column, expected, found


class BrokenLog(CockpitError):
    """Event {position} of the log: {fault}."""

    def __init__(self, position: int, fault: str) -> None:
        self.position, self.fault = position, fault


class Verified(Struct, frozen=True):
    """What was found right: the checkpoint, how many events there are up to it, rows compared, events parked."""

    position: int
    events: int
    rows: int
    parked: int


def verify(conninfo: str) -> Verified:
    """Compare everything up to the checkpoint. Raises BrokenLog or Different at the first difference."""
    with psycopg.connect(conninfo) as connection:
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        broken = connection.execute(statement("projector/find_broken_event")).fetchone()
        if broken is not None:
            raise BrokenLog(*broken)
        checkpoint = connection.cursor(row_factory=scalar_row)
        position = checkpoint.execute(statement("projector/read_checkpoint")).fetchone() or 0
        parked = set(checkpoint.execute(statement("projector/read_parked_positions")).fetchall())
        return _compare(connection, position, parked)


def _compare(connection: Connection, position: int, parked: set[int]) -> Verified:
    totals: Counter[str] = Counter()
    types: dict[Kind, dict[str, Cells]] = {kind: {} for kind in Kind}
    timelines: dict[UUID, Timeline] = {}
    writes, events = Writes(), 0
    with connection.cursor("verify", binary=True) as cursor:
        cursor.itersize = 2000
        cursor.execute(statement("projector/read_by_stream"), {"up_to": position})
        for row in cursor:
            events += 1
            if row[0] in parked:
                continue
            recorded = decode(*row)
            uid = uid_of(recorded.stream)
            if uid is None:
                if isinstance(recorded.event, RegistryEvent):
                    _fold_type(types[recorded.event.kind], recorded.event)
                continue
            if uid not in timelines and len(timelines) >= CHUNK_ENTITIES:
                _compare_entities(connection, writes, timelines, totals)
                writes, timelines = Writes(), {}
            timelines[uid], changes = fold(timelines.get(uid) or Timeline(entity_uid=uid), recorded)
            writes.add(recorded, timelines[uid], changes)
    _compare_entities(connection, writes, timelines, totals)
    for kind, expected in types.items():
        table = f"{kind}_type"
        _compare_rows(connection, table, expected.values(), {}, totals)
    counted = connection.cursor(row_factory=dict_row).execute(statement("projector/count_rows")).fetchone() or {}
    for table, count in counted.items():
        if count != totals[table]:
            raise Different(table, "as a whole", "count", totals[table], count)
    return Verified(position, events, totals.total(), len(parked))


def _compare_entities(
    connection: Connection, writes: Writes, timelines: dict[UUID, Timeline], totals: Counter[str]
) -> None:
    uids = {"uids": list(timelines)}
    heads = ({name: getattr(timeline, name) for name in HEAD} for timeline in timelines.values())
    _compare_rows(connection, "entity_head", heads, uids, totals)
    rows = [(isinstance(row, EntityVersion), _cells(row)) for row in writes.opened.values()]
    _compare_rows(connection, "entity_version", (cells for is_entity, cells in rows if is_entity), uids, totals)
    details = (cells for is_entity, cells in rows if not is_entity)
    _compare_rows(connection, "entity_detail_version", details, uids, totals)
    _compare_rows(connection, "audit_entry", map(asdict, writes.audit), uids, totals)


def _cells(row: Row) -> Cells:
    """Return a row as its table has it."""
    cells = {**asdict(row), "is_current": row.valid_to is None}
    if isinstance(row, EntityVersion):
        cells["search_name"] = row.display_name.casefold()
    return cells


def _fold_type(types: dict[str, Cells], event: RegistryEvent) -> None:
    said = {column: value for column, value in type_columns(event).items() if value is not None}
    types[event.code] = {**types.get(event.code, {}), **said}


def _compare_rows(
    connection: Connection, table: str, expected: Iterable[Cells], parameters: Cells, totals: Counter[str]
) -> None:
    """Raise Different at the first cell of a table, by key, that is not as expected."""
    key = KEYS[table]
    cursor = connection.cursor(row_factory=dict_row, binary=True)
    found = {row[key]: row for row in cursor.execute(statement(f"projector/check_{table}"), parameters)}
    wanted = {row[key]: row for row in expected}
    for value in sorted(found.keys() | wanted.keys()):
        if value not in found or value not in wanted:
            raise Different(table, value, key, value in wanted and "this row", value in found and "this row")
        for column, cell in wanted[value].items():
            if found[value][column] != cell:
                raise Different(table, value, column, cell, found[value][column])
    totals[table] += len(found)
