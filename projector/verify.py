"""Hold the read model against a fresh fold of the log, cell by cell, and the log against its own chain of digests.

All of it sees one snapshot, so a projector may go on meanwhile. Memory follows PORTION_EVENTS, not the log.
"""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import psycopg
from msgspec import Struct
from msgspec.structs import asdict
from psycopg.rows import dict_row, scalar_row

from db.queries import statement
from projector.replay import replay
from projector.rows import HEAD, Writes, claim_row, type_columns
from shared.core.errors import CockpitError
from shared.core.events import Kind, RegistryEvent
from shared.core.rows import DetailVersion, EntityVersion, Row, Superseded

if TYPE_CHECKING:
    from collections.abc import Iterable

PORTION_EVENTS = 2000
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
        checkpoint = connection.execute(statement("projector/read_checkpoint")).fetchone()
        position, clock_at, _ = checkpoint or (0, datetime.min.replace(tzinfo=UTC), 0)
        positions = connection.cursor(row_factory=scalar_row)
        parked = set(positions.execute(statement("projector/read_parked_positions")).fetchall())
        return _compare(connection, position, parked, clock_at)


def _compare(connection: Connection, position: int, parked: set[int], clock: datetime) -> Verified:
    totals: Counter[str] = Counter()
    types: dict[Kind, dict[str, Cells]] = {kind: {} for kind in Kind}
    events = 0
    with connection.cursor("verify", binary=True) as cursor:
        cursor.itersize = 2000
        cursor.execute(statement("projector/read_by_stream"), {"up_to": position})
        for portion in replay(cursor, PORTION_EVENTS):
            events += portion.events
            for event in portion.writes.parked:
                if event.position not in parked:
                    raise Different("parked_event", event.position, "position", event.reason, None)
                parked.remove(event.position)
                totals["parked_event"] += 1
            _compare_portion(connection, portion.writes, clock, totals)
            for said in portion.writes.registry:
                _fold_type(types[said.kind], said)
    if parked:
        raise Different("parked_event", min(parked), "position", "this event can be folded", "parked")
    for kind, expected in types.items():
        _compare_rows(connection, f"{kind}_type", expected.values(), {}, totals)
    counted = connection.cursor(row_factory=dict_row).execute(statement("projector/count_rows")).fetchone() or {}
    for table, count in counted.items():
        if count != totals[table]:
            raise Different(table, "as a whole", "count", totals[table], count)
    return Verified(position, events, totals.total(), totals["parked_event"])


def _compare_portion(connection: Connection, writes: Writes, clock: datetime, totals: Counter[str]) -> None:
    uids = {"uids": list(writes.heads)}
    tables: dict[str, Iterable[Cells]] = {
        "entity_head": [
            {**{name: getattr(timeline, name) for name in HEAD}, "schedule": list(timeline.schedule)}
            for timeline in writes.heads.values()
        ],
        "audit_entry": map(asdict, writes.audit),
    }
    for cls, table in ((EntityVersion, "entity_version"), (DetailVersion, "entity_detail_version")):
        tables[table] = [_cells(row, clock) for row in writes.opened.values() if isinstance(row, cls)]
        tables[f"{table}_superseded"] = [
            _superseded_cells(change) for change in writes.superseded.values() if isinstance(change.row, cls)
        ]
    for table, rows in tables.items():
        _compare_rows(connection, table, rows, uids, totals)
    positions = {"positions": [recorded.position for recorded in writes.claims]}
    _compare_rows(connection, "external_key", map(claim_row, writes.claims), positions, totals)


def _cells(row: Row, clock: datetime) -> Cells:
    """Return a row as its table has it."""
    return {**asdict(row), **_search_name(row), "is_current": row.covers(clock)}


def _superseded_cells(change: Superseded) -> Cells:
    """Return a row as the table of superseded ones has it."""
    cells = {**asdict(change.row), **_search_name(change.row), "recorded_to_position": change.recorded_to_position}
    del cells["asserted_to"]
    return cells


def _search_name(row: Row) -> Cells:
    return {"search_name": row.display_name.casefold()} if isinstance(row, EntityVersion) else {}


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
