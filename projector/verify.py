"""Hold the read model against a fresh fold of the log, cell by cell, and the log against its own chain of digests.

All of it sees one snapshot, so a projector may go on meanwhile. Memory follows PORTION_EVENTS, not the log.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import psycopg
from msgspec import Struct
from psycopg.rows import dict_row, scalar_row

from db.queries import statement
from projector.contents import KEYS, contents
from projector.replay import replay
from projector.rows import Writes
from shared.core.errors import CockpitError

PORTION_EVENTS = 2000
TYPES = {"entity_type", "detail_type"}
COMPARED = {
    "entity_head",
    "entity_version",
    "entity_version_superseded",
    "entity_detail_version",
    "entity_detail_version_superseded",
    "audit_entry",
    "external_key",
    *TYPES,
}
"""The tables that are compared cell by cell; parked events are by their positions."""
MARKS = {"count_mark": "find_wrong_mark", "audit_mark": "find_wrong_audit_mark"}
"""The marks of counts, and what finds a wrong one."""

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


class BrokenObject(CockpitError):
    """The {kind} {name} {fault}: `cockpit rebuild` makes those of the read model anew."""

    def __init__(self, kind: str, name: str, fault: str) -> None:
        self.kind, self.name, self.fault = kind, name, fault


class Verified(Struct, frozen=True):
    """What was found right: the log's head, the checkpoint, the events up to it, rows compared, events parked."""

    head: int
    position: int
    events: int
    rows: int
    parked: int

    def __str__(self) -> str:
        """Say so, in a line."""
        parked = f", {self.parked} events parked" if self.parked else ""
        if self.position < self.head:
            far = f"the log is whole up to position {self.head}; the read model is at {self.position}"
            return f"Clean: {far}, with {self.events} events, {self.rows} rows compared{parked}."
        return f"Clean: {self.events} events up to position {self.position}, {self.rows} rows compared{parked}."


def verify(conninfo: str) -> Verified:
    """Compare everything up to the checkpoint.

    Raises BrokenLog, Different or BrokenObject at the first difference, in this order but for a table that is missing.
    Begins again where another set of tables took over meanwhile: the snapshot is older than what that one holds.
    """
    while True:
        with psycopg.connect(conninfo) as connection:
            connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            live = connection.execute(statement("projector/identify_set")).fetchone()
            try:
                return _verify(connection)
            except (Different, BrokenObject):
                if connection.execute(statement("projector/identify_set")).fetchone() == live:
                    raise


def _verify(connection: Connection) -> Verified:
    broken_object = connection.execute(statement("projector/find_broken_object")).fetchone()
    if broken_object is not None and (broken_object[0], broken_object[2]) == ("table", "is missing"):
        raise BrokenObject(*broken_object)
    for name in ("find_broken_event", "find_broken_stream"):
        broken = connection.execute(statement(f"projector/{name}")).fetchone()
        if broken is not None:
            raise BrokenLog(*broken)
    head, position, clock_at = _checkpoint(connection)
    positions = connection.cursor(row_factory=scalar_row)
    parked = set(positions.execute(statement("projector/read_parked_positions")).fetchall())
    verified = _compare(connection, head, position, parked, clock_at)
    for table, name in MARKS.items():
        wrong = connection.execute(statement(f"projector/{name}")).fetchone()
        if wrong is not None:
            raise Different(table, *wrong)
    if broken_object is not None:
        raise BrokenObject(*broken_object)
    return verified


def _checkpoint(connection: Connection) -> tuple[int, int, datetime]:
    """Return the log's head, and the position and the clock of the checkpoint, which the log must bear out."""
    row = connection.cursor(row_factory=dict_row).execute(statement("projector/check_checkpoint")).fetchone()
    if row is None:
        raise Different("checkpoint", "read_model", "name", "this row", None)
    if row["position"] > row["head"]:
        raise Different("checkpoint", "read_model", "position", f"no event after {row['head']}", row["position"])
    for column, expected in (("recorded_at", row["was_recorded_at"]), ("retired", False)):
        if row[column] != expected:
            raise Different("checkpoint", "read_model", column, expected, row[column])
    return row["head"], row["position"], row["clock_at"]


def _compare(connection: Connection, head: int, position: int, parked: set[int], clock: datetime) -> Verified:
    totals: Counter[str] = Counter()
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
    if parked:
        raise Different("parked_event", min(parked), "position", "this event can be folded", "parked")
    counted = connection.cursor(row_factory=dict_row).execute(statement("projector/count_rows")).fetchone() or {}
    for table, count in counted.items():
        if count != totals[table]:
            if table == "audit_entry":
                _name_stray_entry(connection)
            raise Different(table, "as a whole", "count", totals[table], count)
    return Verified(head, position, events, totals.total(), totals["parked_event"])


def _name_stray_entry(connection: Connection) -> None:
    """Raise Different for an entry of no event: those that are compared were found by their events."""
    stray = connection.execute(statement("projector/find_stray_audit_entry")).fetchone()
    if stray is not None:
        raise Different("audit_entry", stray[0], "audit_id", expected=False, found="this row")


def _compare_portion(connection: Connection, writes: Writes, clock: datetime, totals: Counter[str]) -> None:
    uids = list(writes.heads)
    positions = [recorded.position for recorded in writes.claims]
    for content in contents(writes, clock):
        rows = [dict(zip(content.columns, row, strict=True)) for row in content.rows]
        if content.table not in COMPARED or (content.table in TYPES and not writes.registry):
            continue
        parameters = {"uids": uids, "positions": positions}
        _compare_rows(connection, content.table, rows, parameters, totals)


def _compare_rows(
    connection: Connection, table: str, expected: Sequence[Cells], parameters: Cells, totals: Counter[str]
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
