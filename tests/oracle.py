"""The second opinion: folds the raw rows of the log in the plainest, slowest way and compares the tables cell by cell.

It shares no code with what it judges, so a rule that is wrong in the fold is not wrong here in the same way. Every
instant of an entity is evaluated anew from all that was ever asserted; nothing is carried along from event to event.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any
from uuid import UUID

import psycopg
from psycopg.pq import TransactionStatus
from psycopg.rows import dict_row

from tests.oracle_log import Event, check_log, read_log

EXISTS, NAME, TYPE = "exists", "display_name", "entity_type"
KEYS = {
    "entity_version": "id",
    "entity_detail_version": "id",
    "entity_head": "entity_uid",
    "entity_type": "code",
    "detail_type": "code",
    "audit_entry": "audit_id",
}

Row = dict[str, Any]
Tables = dict[str, list[Row]]


@dataclass(frozen=True)
class Assertion:
    """What one event says about one field, from the event's effective_at on."""

    field: str
    value: Any
    event: Event


# --- what is compared ----------------------------------------------------------------------------------------------


def check(connection: psycopg.Connection[Any]) -> None:
    """Raise AssertionError at the first thing wrong with the log, or the first cell that is not what the log says.

    The tables are held against the events up to the checkpoint, without those that are parked: an event with all that
    follow in its stream.
    """
    with _one_snapshot(connection):
        log = read_log(connection)
        check_log(log)
        ((checkpoint, is_dated),) = connection.execute(
            "SELECT c.position, c.recorded_at = coalesce(e.recorded_at, '-infinity')"
            " FROM read_model.checkpoint c LEFT JOIN log.event e USING (position) WHERE c.name = 'read_model'"
        ).fetchall()
        assert checkpoint <= len(log), f"checkpoint: the log ends at {len(log)}, the table has {checkpoint}"
        assert is_dated, f"checkpoint recorded_at: the table has another instant than event {checkpoint}"
        parked = dict(connection.execute("SELECT position, stream FROM read_model.parked_event").fetchall())
        for event in log[:checkpoint]:
            first = min((at for at, stream in parked.items() if stream == event.stream), default=None)
            assert first is None or event.position < first or event.position in parked, (
                f"parked_event: {event.stream} is parked from event {first} on, but event {event.position} is not there"
            )
        expected = expected_tables([event for event in log[:checkpoint] if event.position not in parked])
        for table, rows in expected.items():
            _compare(table, rows, _read(connection, table))


@contextmanager
def _one_snapshot(connection: psycopg.Connection[Any]) -> Iterator[None]:
    if connection.info.transaction_status != TransactionStatus.IDLE:  # the caller's own transaction
        yield
        return
    with connection.transaction():
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        connection.execute("SET LOCAL timezone TO 'UTC'")
        yield


def _read(connection: psycopg.Connection[Any], table: str) -> list[Row]:
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(
            psycopg.sql.SQL("SELECT * FROM read_model.{}").format(psycopg.sql.Identifier(table))
        ).fetchall()


def _compare(table: str, expected: list[Row], found: list[Row]) -> None:
    key = KEYS[table]
    wanted, there = {row[key]: row for row in expected}, {row[key]: row for row in found}
    for name in sorted(wanted.keys() | there.keys()):
        assert name in there, f"{table} {name}: the log says {_show(wanted[name])}, the table has no such row"
        assert name in wanted, f"{table} {name}: the log says no such row, the table has {_show(there[name])}"
        for column, value in wanted[name].items():
            cell = there[name][column]
            assert cell == value, f"{table} {name} {column}: the log says {_show(value)}, the table has {_show(cell)}"


def _show(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name}: {_show(part)}" for name, part in value.items()) + "}"
    return value.isoformat() if isinstance(value, datetime) else repr(value)


# --- what the log says ---------------------------------------------------------------------------------------------


def expected_tables(events: Sequence[Event]) -> Tables:
    """Return every row that the read model must have after these events, by table."""
    tables: Tables = {table: [] for table in KEYS}
    streams: dict[str, list[Event]] = defaultdict(list)
    for event in events:
        assert event.schema_version == 1, f"the oracle has not learnt schema version {event.schema_version} yet"
        streams[event.stream].append(event)
    for stream, of_stream in streams.items():
        kind, _, name = stream.partition(":")
        if stream == "registry":
            for (registry, _), row in _types(of_stream).items():
                tables[f"{registry}_type"].append(row)
        elif kind == "entity":
            for table, rows in _entity(UUID(name), of_stream).items():
                tables[table] += rows
    return tables


def _types(events: Sequence[Event]) -> dict[tuple[str, str], Row]:
    types: dict[tuple[str, str], Row] = {}
    for event in events:
        data = event.data
        key = (data["kind"], data["code"])
        if event.type == "TypeRegistered":
            types[key] = {"code": data["code"], "is_active": True}
        if event.type in {"TypeRegistered", "TypeChanged"}:
            types[key] |= {name: data[name] for name in ("name", "description") if name in data}
        else:
            types[key]["is_active"] = {"TypeActivated": True, "TypeDeactivated": False}[event.type]
    return types


def _assertions(event: Event) -> list[Assertion]:
    asserted: Row = {
        "EntityRegistered": {EXISTS: True},
        "EntityRevised": {},
        "EntityRetired": {EXISTS: False},
        "EntityReopened": {EXISTS: True},
    }[event.type]
    asserted |= {field: event.data[field] for field in (NAME, TYPE) if field in event.data}
    asserted |= {f"details.{code}": value for code, value in event.data.get("details", {}).items()}
    return [Assertion(field, value, event) for field, value in asserted.items()]


def _last(assertions: Sequence[Assertion], until: datetime) -> Assertion | None:
    reached = [a for a in assertions if a.event.effective_at <= until]
    return max(reached, key=lambda a: (a.event.effective_at, a.event.position), default=None)


def _entity(uid: UUID, events: Sequence[Event]) -> Tables:
    assertions = [a for event in events for a in _assertions(event)]
    codes = sorted({a.field.removeprefix("details.") for a in assertions if a.field.startswith("details.")})
    opened: Counter[int] = Counter()
    groups = []
    for code in [None, *codes]:
        rows = _rows(uid, assertions, code)
        for row in rows:
            row["id"] = row["recorded_from_position"] * 65536 + opened[row["recorded_from_position"]]
            opened[row["recorded_from_position"]] += 1
        groups.append((code, rows))
    return {
        "entity_version": groups[0][1],
        "entity_detail_version": [row for _, rows in groups[1:] for row in rows],
        "entity_head": [_head(uid, events, assertions)],
        "audit_entry": [entry for event in events for entry in _audit(uid, event, groups)],
    }


def _rows(uid: UUID, assertions: Sequence[Assertion], code: str | None) -> list[Row]:
    """Return the rows of one group: of the entity itself, or of the detail with that code."""
    fields = {EXISTS, NAME, TYPE} if code is None else {EXISTS, f"details.{code}"}
    group = [a for a in assertions if a.field in fields]

    def content(at: datetime) -> Row | None:
        held = {field: _last([a for a in group if a.field == field], at) for field in fields}
        values = {field: None if a is None else a.value for field, a in held.items()}
        if not values[EXISTS]:
            return None
        if code is None:
            return {NAME: values[NAME], TYPE: values[TYPE], "search_name": str(values[NAME]).casefold()}
        value = values[f"details.{code}"]
        return None if value is None else {"detail_type": code, "detail_value": value}

    steps: list[tuple[datetime, Row | None]] = []
    for at in sorted({a.event.effective_at for a in assertions}):
        if not steps or steps[-1][1] != content(at):
            steps.append((at, content(at)))

    rows = []
    ends = [at for at, _ in steps[1:]]
    for (start, values), end in zip(steps, [*ends, None], strict=True):
        if values is None:
            continue
        made, unmade = _last(group, start), _last(group, end) if end else None
        assert made is not None
        hashed = (values[NAME], values[TYPE]) if code is None else (code, values["detail_value"])
        rows.append({
            "entity_uid": uid,
            **values,
            "hashdiff": sha256(b"".join(b"%d:%b" % (len(v.encode()), v.encode()) for v in hashed)).hexdigest(),
            "valid_from": start,
            "valid_to": end,
            "is_current": end is None,
            "asserted_to": max(a.event.effective_at for a in group if end is None or a.event.effective_at < end),
            "recorded_from_position": made.event.position,
            "valid_to_known_position": unmade.event.position if unmade else None,
            "created_at": made.event.recorded_at,
            "updated_at": (unmade or made).event.recorded_at,
            "actor": made.event.said_by["actor"],
        })  # fmt: skip
    return rows


def _head(uid: UUID, events: Sequence[Event], assertions: Sequence[Assertion]) -> Row:
    existence = [a for a in assertions if a.field == EXISTS]
    latest = max(existence, key=lambda a: (a.event.effective_at, a.event.position))
    return {
        "entity_uid": uid,
        "version": len(events),
        "last_event_id": events[-1].event_id,
        "last_position": events[-1].position,
        "change_points": len(assertions),
        "registered_at": min(a.event.effective_at for a in existence),
        "retired_at": None if latest.value else latest.event.effective_at,
    }


def _audit(uid: UUID, event: Event, groups: Sequence[tuple[str | None, Sequence[Row]]]) -> Iterator[Row]:
    ordinal = 0
    for code, rows in groups:
        columns = (NAME, TYPE) if code is None else ("detail_value",)
        before = _values(columns, [r for r in rows if r["valid_to_known_position"] == event.position])
        after = _values(columns, [r for r in rows if r["recorded_from_position"] == event.position])
        if before is None and after is None:
            continue
        if before is not None and after is not None:
            same = {column for column in columns if before[column] == after[column]}
            before, after = ({c: side[c] for c in columns if c not in same} for side in (before, after))
        yield {
            "audit_id": event.position * 65536 + ordinal,
            "position": event.position,
            "actor": event.said_by["actor"],
            "recorded_at": event.recorded_at,
            "entity_uid": uid,
            "table_name": "entity" if code is None else "entity_detail",
            "operation": "INSERT" if before is None else "DELETE" if after is None else "UPDATE",
            "detail_code": code,
            "before_value": before,
            "after_value": after,
            "request_id": event.said_by["request_id"],
            "ip_address": event.context.get("ip_address"),
            "user_agent": event.context.get("user_agent"),
        }
        ordinal += 1


def _values(columns: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> Row | None:
    assert len(rows) <= 1, f"one event moves one row of a group, not {len(rows)}"
    return {column: rows[0][column] for column in columns} if rows else None
