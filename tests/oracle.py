"""The second opinion: folds the raw rows of the log in the plainest, slowest way and compares the tables cell by cell.

It shares no code with what it judges, so a rule that is wrong in the fold is not wrong here in the same way. What is
true at an instant is asked of oracle_points; oracle_rows replays an entity's rows.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

import psycopg
from psycopg.pq import TransactionStatus
from psycopg.rows import dict_row

from tests.oracle_log import Event, check_log, read_log
from tests.oracle_rows import EXISTS, Replay, Row, columns

VERSIONS = ("entity_version", "entity_detail_version")
KEYS = {
    "entity_version": "id",
    "entity_version_superseded": "id",
    "entity_detail_version": "id",
    "entity_detail_version_superseded": "id",
    "entity_head": "entity_uid",
    "entity_type": "code",
    "detail_type": "code",
    "audit_entry": "audit_id",
    "external_key": "position",
}

Tables = dict[str, list[Row]]


# --- what is compared ----------------------------------------------------------------------------------------------


def check(connection: psycopg.Connection[Any]) -> None:
    """Raise AssertionError at the first thing wrong with the log, or the first cell that is not what the log says.

    The tables are held against the events up to the checkpoint, without those that are parked: an event with all that
    follow in its stream.
    """
    with _one_snapshot(connection):
        log = read_log(connection)
        check_log(log)
        ((checkpoint, clock, is_dated, is_settled),) = connection.execute(
            "SELECT c.position, c.clock_at, c.recorded_at = coalesce(e.recorded_at, '-infinity'), NOT EXISTS ("
            "SELECT FROM log.event later WHERE later.position > c.position AND later.recorded_at <= c.settled_at)"
            " FROM read_model.checkpoint c LEFT JOIN log.event e USING (position) WHERE c.name = 'read_model'"
        ).fetchall()
        assert checkpoint <= len(log), f"checkpoint: the log ends at {len(log)}, the table has {checkpoint}"
        assert is_dated, f"checkpoint recorded_at: the table has another instant than event {checkpoint}"
        assert is_settled, "checkpoint settled_at: the log says that something later was recorded by then"
        parked = dict(connection.execute("SELECT position, stream FROM read_model.parked_event").fetchall())
        for event in log[:checkpoint]:
            first = min((at for at, stream in parked.items() if stream == event.stream), default=None)
            assert first is None or event.position < first or event.position in parked, (
                f"parked_event: {event.stream} is parked from event {first} on, but event {event.position} is not there"
            )
        folded = [event for event in log[:checkpoint] if event.position not in parked]
        expected = expected_tables(folded, clock, _skipped(log[:checkpoint]))
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


def expected_tables(events: Sequence[Event], clock: datetime, skipped: AbstractSet[UUID] = frozenset()) -> Tables:
    """Return every row that the read model must have after these events and at this instant, by table."""
    tables: Tables = {table: [] for table in KEYS}
    streams: dict[str, list[Event]] = defaultdict(list)
    for event in events:
        known = _left_out(event) if event.event_id in skipped else event
        assert known.schema_version == 1, f"the oracle has not learnt schema version {known.schema_version} yet"
        streams[event.stream].append(known)
    for stream, of_stream in streams.items():
        kind, _, name = stream.partition(":")
        if stream == "registry":
            for (registry, _), row in _types(of_stream).items():
                tables[f"{registry}_type"].append(row)
        elif kind == "entity":
            for table, rows in _entity(UUID(name), of_stream, clock).items():
                tables[table] += rows
        elif kind == "external_key":
            tables["external_key"] += map(_claim, of_stream)
    return tables


def _skipped(events: Sequence[Event]) -> AbstractSet[UUID]:
    """The events that are skipped, also by one that waits behind another that cannot be folded."""
    return {UUID(e.data["event_id"]) for e in events if (e.type, e.schema_version) == ("EventSkipped", 1)}


def _left_out(event: Event) -> Event:
    """An event that a later one skips says nothing, whatever its payload."""
    payload = json.dumps({"context": {}, "data": {"event_id": str(event.event_id)}})
    return replace(event, type="EventSkipped", schema_version=1, payload=payload, effective_until=None)


def _claim(event: Event) -> Row:
    data = event.data
    assert (event.type, event.version) == ("ExternalKeyClaimed", 1), "a key is claimed once"
    assert event.stream == f"external_key:{data['source']}:{data['external_id']}"
    return {
        "source": data["source"],
        "external_id": data["external_id"],
        "entity_uid": UUID(data["entity_uid"]),
        "event_id": event.event_id,
        "position": event.position,
        "recorded_at": event.recorded_at,
        "actor": event.said_by["actor"],
    }


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


def _entity(uid: UUID, events: Sequence[Event], clock: datetime) -> Tables:
    replay = Replay(uid)
    for event in events:
        replay.add(event)
    tables: Tables = {"entity_head": [_head(replay, events)], "audit_entry": replay.audit}
    for table in VERSIONS:
        groups = [group for group in replay.rows if (group == "entity") == (table == "entity_version")]
        tables[table] = [
            row | {"is_current": _is_valid(row, clock), "asserted_to": _asserted_to(replay, group, row)}
            for group in groups
            for row in replay.rows[group]
        ]
        tables[f"{table}_superseded"] = [row for group in groups for row in replay.superseded[group]]
    return tables


def _is_valid(row: Row, at: datetime) -> bool:
    return bool(row["valid_from"] <= at and (row["valid_to"] is None or at < row["valid_to"]))


def _asserted_to(replay: Replay, group: str, row: Row) -> datetime | None:
    """Of an open row: the last instant of which anything is said about its group."""
    return max(replay.instants(columns(group))) if row["valid_to"] is None else None


def _head(replay: Replay, events: Sequence[Event]) -> Row:
    instants = replay.instants([name for one in replay.standing for name in one.fields])
    return {
        "entity_uid": replay.uid,
        "version": len(events),
        "last_event_id": events[-1].event_id,
        "last_position": events[-1].position,
        "change_points": len(instants),
        "registered_at": min((one.at for one in replay.standing if one.fields.get(EXISTS)), default=None),
        "schedule": sorted(at for at in instants if at > events[-1].recorded_at),
    }
