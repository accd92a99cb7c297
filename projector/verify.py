"""Hold the read model against a fresh fold of the log, cell by cell, and the log against its own chain of digests.

All of it sees one snapshot, so a projector may go on meanwhile. Memory follows CHUNK_ENTITIES, not the log.
"""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

import psycopg
from msgspec import Struct
from msgspec.structs import asdict
from psycopg.rows import dict_row, scalar_row

from db.queries import statement
from projector.rows import HEAD, Writes, type_columns
from shared.core.codec import decode
from shared.core.errors import CannotFold, CockpitError
from shared.core.events import REGISTRY_STREAM, Kind, RegistryEvent, uid_of
from shared.core.rows import DetailVersion, EntityVersion, Row, Superseded
from shared.core.timeline import Timeline, fold

if TYPE_CHECKING:
    from collections.abc import Iterable

CHUNK_ENTITIES = 500
POSITION, STREAM, TYPE = 0, 2, 4
"""Where these stand in a row of projector/read_by_stream."""
KEYS = {
    "entity_head": "entity_uid",
    "entity_version": "id",
    "entity_version_superseded": "id",
    "entity_detail_version": "id",
    "entity_detail_version_superseded": "id",
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
        checkpoint = connection.execute(statement("projector/read_checkpoint")).fetchone()
        position, clock_at = checkpoint or (0, datetime.min.replace(tzinfo=UTC))
        positions = connection.cursor(row_factory=scalar_row)
        parked = set(positions.execute(statement("projector/read_parked_positions")).fetchall())
        return _compare(connection, position, parked, clock_at)


class _Folded:
    """What the log says, folded as far as it was read: some entities at a time, all types."""

    def __init__(self) -> None:
        self.types: dict[Kind, dict[str, Cells]] = {kind: {} for kind in Kind}
        self.timelines: dict[UUID, Timeline] = {}
        self.writes = Writes()
        self.stopped: set[str] = set()

    def add(self, row: tuple[Any, ...]) -> None:
        """Fold one more event. Raises CannotFold for one that has to be parked, and for all behind it in its stream."""
        stream, uid = row[STREAM], uid_of(row[STREAM])
        if stream in self.stopped:
            raise CannotFold(row[POSITION], "an earlier event of its stream is parked")
        self.stopped.add(stream)  # unless all goes well
        recorded = decode(*row)
        if uid is not None:
            timeline, changes = fold(self.timelines.get(uid) or Timeline(entity_uid=uid), recorded)
            self.timelines[uid] = timeline
            self.writes.add(recorded, timeline, changes)
        elif stream == REGISTRY_STREAM and isinstance(recorded.event, RegistryEvent):
            _fold_type(self.types[recorded.event.kind], recorded.event)
        else:
            raise CannotFold(recorded.position, f"{row[TYPE]} does not belong in this stream")
        self.stopped.remove(stream)

    def forget_entities(self) -> None:
        """Begin anew with other entities."""
        self.timelines, self.writes = {}, Writes()


def _compare(connection: Connection, position: int, parked: set[int], clock: datetime) -> Verified:
    totals: Counter[str] = Counter()
    folded, events = _Folded(), 0
    with connection.cursor("verify", binary=True) as cursor:
        cursor.itersize = 2000
        cursor.execute(statement("projector/read_by_stream"), {"up_to": position})
        for row in cursor:
            events += 1
            if len(folded.timelines) >= CHUNK_ENTITIES and uid_of(row[STREAM]) not in folded.timelines:
                _compare_entities(connection, folded, clock, totals)
                folded.forget_entities()
            try:
                folded.add(row)
            except CannotFold as error:
                if row[POSITION] not in parked:
                    raise Different("parked_event", row[POSITION], "position", str(error), None) from error
                parked.remove(row[POSITION])
                totals["parked_event"] += 1
    if parked:
        raise Different("parked_event", min(parked), "position", "this event can be folded", "parked")
    _compare_entities(connection, folded, clock, totals)
    for kind, expected in folded.types.items():
        _compare_rows(connection, f"{kind}_type", expected.values(), {}, totals)
    counted = connection.cursor(row_factory=dict_row).execute(statement("projector/count_rows")).fetchone() or {}
    for table, count in counted.items():
        if count != totals[table]:
            raise Different(table, "as a whole", "count", totals[table], count)
    return Verified(position, events, totals.total(), totals["parked_event"])


def _compare_entities(connection: Connection, folded: _Folded, clock: datetime, totals: Counter[str]) -> None:
    writes, uids = folded.writes, {"uids": list(folded.timelines)}
    tables: dict[str, Iterable[Cells]] = {
        "entity_head": [
            {**{name: getattr(timeline, name) for name in HEAD}, "schedule": list(timeline.schedule)}
            for timeline in folded.timelines.values()
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
