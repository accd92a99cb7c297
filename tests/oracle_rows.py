"""The rows of one entity as the oracle has them: replayed event by event, with every instant evaluated by the rule.

After each event the rows are made to say what is true now by the smallest difference: what stays true stays, an open
row may be closed, everything else is superseded, and what is missing opens.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from hashlib import sha256
from typing import Any
from uuid import UUID

from tests.oracle_log import Event
from tests.oracle_points import Said, field

EXISTS, NAME, TYPE = "exists", "display_name", "entity_type"

Row = dict[str, Any]
Step = tuple[datetime | None, Row]
"""Until when something is so, and what: by the instant from which on."""


def said(event: Event) -> Said:
    """Return an event as the rule takes it."""
    data = event.data
    fields: Row = {
        "EntityRegistered": {EXISTS: True},
        "EntityRevised": {},
        "EntityRetired": {EXISTS: False},
        "EntityReopened": {EXISTS: True},
        "EventCancelled": {},
        "EventSkipped": {},
    }[event.type]
    fields |= {name: data[name] for name in (NAME, TYPE) if name in data}
    fields |= {f"details.{code}": value for code, value in data.get("details", {}).items()}
    until: Any = event.effective_until
    return Said(
        position=event.position,
        event_id=event.event_id,
        at=event.effective_at,
        until=until if until in {None, "infinity"} else datetime.fromisoformat(until),
        fields=fields,
        cancels=UUID(data["event_id"]) if event.type == "EventCancelled" else None,
    )


class Replay:
    """One entity after some of its events: what its fields hold, its rows, and the audit of how they came to be."""

    def __init__(self, uid: UUID) -> None:
        self.uid = uid
        self.standing: list[Said] = []
        self.steps: dict[str, dict[datetime, Step]] = {}
        self.rows: defaultdict[str, list[Row]] = defaultdict(list)
        self.superseded: defaultdict[str, list[Row]] = defaultdict(list)
        self.audit: list[Row] = []
        self._values: dict[str, dict[datetime, Any]] = {}

    def add(self, event: Event) -> None:
        """Take in one more event."""
        spoken = said(event)
        if spoken.cancels is None:
            self.standing.append(spoken)
        else:
            (spoken,) = (one for one in self.standing if one.event_id == spoken.cancels)
            self.standing.remove(spoken)
        for name in spoken.fields:
            self._evaluate(name, spoken.at)
        codes = sorted(name for name in self._values if name.startswith("details."))
        entries, ordinal = 0, 0
        for group in ["entity", *codes]:
            past, before = self._before_and_from(group, spoken.at)
            after = self._group(group, spoken.at, before)
            ordinal = self._move(group, after, event, ordinal, spoken.at)
            entry = _entry(event, group, before, after)
            if entry is not None:
                named = {"audit_id": event.position * 65536 + entries, "entity_uid": self.uid}
                self.audit.append(named | entry)
                entries += 1
            self.steps[group] = past | after
        if not entries:
            unchanged = _told(event, "entity", "UPDATE", None, None)
            self.audit.append({"audit_id": event.position * 65536, "entity_uid": self.uid} | unchanged)

    def instants(self, columns: Sequence[str]) -> list[datetime]:
        """Return where the assertions about some fields begin and where they end, those of each field by itself."""
        asserted = [one for one in self.standing for name in one.fields if name in columns]
        return [one.at for one in asserted] + [one.until for one in asserted if isinstance(one.until, datetime)]

    def _evaluate(self, name: str, start: datetime) -> None:
        """Ask the rule what a field holds at each of its instants; before the start nothing can have changed."""
        known = self._values.get(name, {})
        asserted = [one for one in self.standing if name in one.fields]
        self._values[name] = {
            at: known[at] if at < start else field(asserted, name, at) for at in sorted(set(self.instants([name])))
        }

    def _before_and_from(self, group: str, start: datetime) -> tuple[dict[datetime, Step], dict[datetime, Step]]:
        """Return what a group said of the time before an instant, which cannot change, and what from there on."""
        past: dict[datetime, Step] = {}
        rest: dict[datetime, Step] = {}
        for at, step in self.steps.get(group, {}).items():
            (past if step[0] is not None and step[0] < start else rest)[at] = step
        return past, rest

    def _group(self, group: str, start: datetime, before: Mapping[datetime, Step]) -> dict[datetime, Step]:
        """Return what a group says from an instant on and until when, by start; it said `before` what may go on.

        Of an entity without a name or a type it says nothing.
        """
        held = [self._values.get(name, {}) for name in columns(group)]
        starts = [list(values) for values in held]
        found: list[tuple[datetime, Row | None]] = [(at, content) for at, (_, content) in before.items() if at < start]
        for at in sorted({at for values in held for at in values if at >= start}):
            now = [
                values[of_field[bisect_right(of_field, at) - 1]] if of_field and of_field[0] <= at else None
                for values, of_field in zip(held, starts, strict=True)
            ]
            is_there = now[0] is True and None not in now
            content = _content(group, now[1:]) if is_there else None
            if not found or found[-1][1] != content:
                found.append((at, content))
        ends = dict(zip([at for at, _ in found], [at for at, _ in found[1:]], strict=False))
        return {at: (ends.get(at), content) for at, content in found if content is not None}

    def _move(
        self, group: str, wanted: Mapping[datetime, Step], event: Event, ordinal: int, start_of_change: datetime
    ) -> int:
        """Make the rows of a group say what is wanted, and return how many the event has opened by now."""
        past = [row for row in self.rows[group] if row["valid_to"] is not None and row["valid_to"] < start_of_change]
        rows: dict[datetime, Row] = {}
        for row in self.rows[group][len(past) :]:
            end, content = wanted.get(row["valid_from"], (None, None))
            is_same = content is not None and all(row[column] == value for column, value in content.items())
            if is_same and end == row["valid_to"]:
                rows[row["valid_from"]] = row
            elif is_same and row["valid_to"] is None:
                told = {"valid_to_known_position": event.position, "updated_at": event.recorded_at}
                rows[row["valid_from"]] = row | {"valid_to": end} | told
            else:
                self.superseded[group].append(row | {"recorded_to_position": event.position})
        for start, (end, content) in wanted.items():
            if start not in rows:
                name = {"id": event.position * 65536 + ordinal, "entity_uid": self.uid}
                rows[start] = name | _opened(content, start, end, event)
                ordinal += 1
        self.rows[group] = past + [rows[start] for start in sorted(rows)]
        return ordinal


def columns(group: str) -> list[str]:
    """Return the fields that a group is made of."""
    return [EXISTS, NAME, TYPE] if group == "entity" else [EXISTS, group]


def _content(group: str, values: Sequence[Any]) -> Row:
    if group == "entity":
        name, kind = values
        return {NAME: name, TYPE: kind, "search_name": name.casefold()}
    return {"detail_type": group.removeprefix("details."), "detail_value": values[0]}


def _opened(content: Row, start: datetime, end: datetime | None, event: Event) -> Row:
    hashed = [value.encode() for column, value in content.items() if column != "search_name"]
    return content | {
        "hashdiff": sha256(b"".join(b"%d:%b" % (len(value), value) for value in hashed)).hexdigest(),
        "valid_from": start,
        "valid_to": end,
        "recorded_from_position": event.position,
        "valid_to_known_position": None if end is None else event.position,
        "created_at": event.recorded_at,
        "updated_at": event.recorded_at,
        "actor": event.said_by["actor"],
    }


def _entry(event: Event, group: str, before: Mapping[datetime, Step], after: Mapping[datetime, Step]) -> Row | None:
    """Return what the audit says of a group, at the first instant at which it is not what it was; None where it is."""
    ends = {end for end, _ in (*before.values(), *after.values()) if end is not None}
    for at in sorted({*before, *after, *ends}):
        old, new = _at(before, at), _at(after, at)
        if old == new:
            continue
        shown = [NAME, TYPE] if group == "entity" else ["detail_value"]
        if old and new:
            shown = [column for column in shown if old[column] != new[column]]
        operation = "INSERT" if old is None else "DELETE" if new is None else "UPDATE"
        was, becomes = (row and {column: row[column] for column in shown} for row in (old, new))
        return _told(event, group, operation, was, becomes)
    return None


def _told(event: Event, group: str, operation: str, before: Row | None, after: Row | None) -> Row:
    return {
        "position": event.position,
        "event_id": event.event_id,
        "actor": event.said_by["actor"],
        "recorded_at": event.recorded_at,
        "table_name": "entity" if group == "entity" else "entity_detail",
        "operation": operation,
        "detail_code": None if group == "entity" else group.removeprefix("details."),
        "before_value": before,
        "after_value": after,
        "request_id": event.said_by["request_id"],
        "ip_address": event.context.get("ip_address"),
        "user_agent": event.context.get("user_agent"),
        "reason": event.context.get("reason"),
    }


def _at(steps: Mapping[datetime, Step], at: datetime) -> Row | None:
    valid = (content for start, (end, content) in steps.items() if start <= at and (end is None or at < end))
    return next(valid, None)
