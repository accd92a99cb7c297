"""How plain rows of the statements become shapes: entities with their details, versions, audit entries, changes."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from msgspec import Raw

from read_side.beliefs import Span, Told, span_of_detail, spans_of_entity
from read_side.diff import Cause, EntityDiff, Mode, difference
from read_side.questions import Key, Order
from read_side.shapes import AuditOut, ScheduledOut, VersionOut
from read_side.steps import Points, field_order, steps
from shared.http.shapes import DetailOut, EntityOut, TypeOut

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from uuid import UUID

    from read_side.questions import Slice

Row = tuple[Any, ...]


ENTITY_KEYS: dict[Order, Callable[[EntityOut], Key]] = {
    "-valid_from": lambda entity: Key(instant=entity.valid_from, uid=entity.entity_uid),
    "display_name": lambda entity: Key(text=entity.display_name.casefold(), uid=entity.entity_uid),
    "entity_uid": lambda entity: Key(uid=entity.entity_uid),
}
"""What an entity is found by in each order of the list."""


def entities(now: datetime, rows: Iterable[Row]) -> list[EntityOut]:
    """Return the entities in rows of (entity, detail), in the order they come; without any, the row is all NULL."""
    found: dict[UUID, EntityOut] = {}
    for row in rows:
        id_, uid, name, kind, valid_from, valid_to, digest, *detail = row
        if uid is None:
            continue
        entity = found.get(uid)
        if entity is None:
            is_current = holds(now, valid_from, valid_to)
            entity = EntityOut(id_, uid, name, kind, valid_from, valid_to, is_current, digest, [])
            found[uid] = entity
        if detail[0] is not None:
            id_, code, value, valid_from, valid_to, digest = detail
            is_current = holds(now, valid_from, valid_to)
            entity.entity_details.append(DetailOut(id_, code, value, valid_from, valid_to, is_current, digest))
    return list(found.values())


def holds(instant: datetime, valid_from: datetime, valid_to: datetime | None) -> bool:
    """Return whether a row is valid at an instant."""
    return valid_from <= instant and (valid_to is None or instant < valid_to)


def versions(uid: UUID, now: datetime, rows: Iterable[Row]) -> list[VersionOut]:
    """Return the history in rows of versions; what was believed before is not current."""
    found = []
    for kind, code, valid_from, valid_to, created_at, updated_at, digest, *recorded in rows:
        position, recorded_to, actor, value, entity_type, event_id, reason = recorded
        if kind is None:
            continue
        found.append(
            VersionOut(
                type=kind,
                valid_from=valid_from,
                valid_to=valid_to,
                is_current=recorded_to is None and holds(now, valid_from, valid_to),
                created_at=created_at,
                updated_at=updated_at,
                hashdiff=digest,
                entity_uid=uid,
                changes={"display_name": value, "entity_type": entity_type}
                if kind == "entity"
                else {"detail_type": code, "detail_value": value},
                position=position,
                recorded_from=created_at,
                recorded_to=recorded_to,
                event_id=event_id,
                actor=actor,
                reason=reason,
            )
        )
    return found


def version_key(version: VersionOut) -> Key:
    """Return what a version is found by in a history: no event makes two of one field group with one start."""
    code = version.changes.get("detail_type", "")
    return Key(instant=version.valid_from, text=code, number=version.position)


def scheduled(part: Slice, rows: Iterable[Row]) -> list[ScheduledOut]:
    """Return the changes of a page in rows that meet at an instant, the instants in order: one item more may be there.

    The event of a change is the one that made the row that begins with it, or else that told the end of the last one.
    """
    met: dict[tuple[datetime, UUID], list[Row]] = {}
    for instant, uid, *row in rows:
        if instant is not None:
            met.setdefault((instant, uid), []).append(tuple(row))
    items = [item for (instant, uid), of_instant in met.items() for item in _changes(instant, uid, of_instant)]
    if not part.keyed:
        start = (part.page - 1) * part.size
        return items[start : start + part.size + (not part.counted)]
    if part.after is not None:
        after = _place(part.after)
        items = [
            i
            for i in items
            if (_place(scheduled_key(i)) < after if part.backward else _place(scheduled_key(i)) > after)
        ]
    return items[-part.size - 1 :] if part.backward else items[: part.size + 1]


def _changes(instant: datetime, uid: UUID, rows: list[Row]) -> Iterator[ScheduledOut]:
    """Yield the changes of an entity at an instant, by field."""
    spans: list[Span] = []
    events: dict[str, Row] = {}
    for code, value, entity_type, valid_from, valid_to, *event in rows:
        of_row = _spans(code, value, entity_type, Told(valid_from, valid_to, 0, None if valid_to is None else 0))
        spans += of_row
        for span in of_row:
            if valid_from == instant or span.field not in events:
                events[span.field] = tuple(event)
    for step in steps(spans, Points(instant - timedelta(microseconds=1), instant, 0, 0)):
        event_id, actor, reason = events[step.field]
        yield ScheduledOut(uid, instant, step.field, step.before, step.after, event_id, actor, reason)


def scheduled_key(item: ScheduledOut) -> Key:
    """Return what a scheduled change is found by."""
    return Key(instant=item.effective_at, uid=item.entity_uid, text=item.field)


def _place(key: Key) -> tuple[Any, ...]:
    return key.instant, key.uid, field_order(key.text or "")


def differences(mode: Mode, points: Points, rows: Iterable[Row]) -> list[EntityDiff]:
    """Return what changed in each entity, in the order they come; one without any difference is left out.

    Rows without an entity tell the events by their positions.
    """
    spans: dict[UUID, list[Span]] = {}
    causes: dict[int, Cause] = {}
    for uid, code, value, entity_type, valid_from, valid_to, position, *rest in rows:
        ended, superseded, *event = rest
        if position is None:
            continue
        if valid_from is None:
            causes[position] = Cause(*event)
            continue
        told = Told(valid_from, valid_to, position, ended, superseded)
        spans.setdefault(uid, []).extend(_spans(code, value, entity_type, told))
    found = (EntityDiff(uid, difference(mode, of_entity, points, causes)) for uid, of_entity in spans.items())
    return [diff for diff in found if diff.changes]


def difference_key(diff: EntityDiff) -> Key:
    """Return what the difference of an entity is found by."""
    return Key(uid=diff.entity_uid)


def _spans(code: str | None, value: str, entity_type: str, told: Told) -> tuple[Span, ...]:
    return spans_of_entity(value, entity_type, told) if code is None else (span_of_detail(code, value, told),)


def audit_entries(rows: Iterable[Row]) -> list[AuditOut]:
    """Return the audit entries in rows of them; the values stay the JSON that they are."""
    found = []
    for row in rows:
        if row[0] is None:
            continue
        audit_id, actor, at, uid, table, operation, code, before, after, request_id, address, agent, *event = row
        position, event_id, reason = event
        found.append(
            AuditOut(
                audit_id=audit_id,
                actor=actor,
                timestamp=at,
                entity_uid=uid,
                table_name=table,
                operation=operation,
                detail_code=code,
                before_value=Raw(before or "null"),
                after_value=Raw(after or "null"),
                request_id=request_id,
                ip_address=address,
                user_agent=agent,
                position=position,
                event_id=event_id,
                reason=reason,
            )
        )
    return found


def audit_key(entry: AuditOut) -> Key:
    """Return what an audit entry is found by."""
    return Key(number=entry.audit_id)


def type_key(found: TypeOut) -> Key:
    """Return what a type is found by."""
    return Key(text=found.code)


def types(rows: Iterable[Row]) -> list[TypeOut]:
    """Return the types in rows of them."""
    return [TypeOut(*row) for row in rows if row[0] is not None]
