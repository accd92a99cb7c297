"""How plain rows of the statements become shapes: entities with their details, versions, audit entries, changes."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from msgspec import Raw
from msgspec.structs import asdict

from read_side.beliefs import Span, Told, since, span_of_detail, spans_of_entity
from read_side.diff import Cause, EntityDiff, Mode, difference
from read_side.questions import Key, Order
from read_side.shapes import AuditOut, ExternalKeyOut, ParkedEventOut, ParkedOut, ScheduledOut, VersionOut
from read_side.steps import Points, field_order, steps
from shared.core.events import INFINITY, uid_of
from shared.http.instants import show
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


def listed(now: datetime, rows: Iterable[Row]) -> list[EntityOut]:
    """Return the entities in the last columns of rows, each with the details in rows after it: these have a code."""
    found: list[EntityOut] = []
    details: list[DetailOut] = []
    for row in rows:
        code, id_, uid, value, kind, valid_from, valid_to, digest = row[-8:]
        if id_ is None:
            continue
        is_current = valid_from <= now and (valid_to is None or now < valid_to)  # `holds`, without a call a row
        if code is None:
            details = []
            found.append(EntityOut(id_, uid, value, kind, valid_from, valid_to, is_current, digest, details))
        else:
            details.append(DetailOut(id_, code, value, valid_from, valid_to, is_current, digest))
    return found


def holds(instant: datetime, valid_from: datetime, valid_to: datetime | None) -> bool:
    """Return whether a row is valid at an instant."""
    return valid_from <= instant and (valid_to is None or instant < valid_to)


def versions(uid: UUID, now: datetime, known: int, rows: Iterable[Row]) -> list[VersionOut]:
    """Return the history in rows of versions, of belief about where they begin, and of events by their positions.

    What was believed before is not current. The event of a version is the one since which it has been believed, or was
    as long as it was believed at all, that its content begins there; the row may have been made anew by a later one.
    """
    page: list[Row] = []
    belief: dict[tuple[str, datetime], list[Span]] = {}
    causes: dict[int, Cause] = {}
    for row in rows:
        kind, code, digest, valid_from, valid_to, position, ended, superseded = row[-16:-8]
        if kind == "event":
            causes[position] = Cause(*row[-4:])
        elif kind == "belief":
            span = Span(code, digest, Told(valid_from, valid_to, position, ended, superseded))
            for instant in (valid_from, valid_to):
                belief.setdefault((code, instant), []).append(span)
        else:
            page.append(row[-16:-4])
    found = []
    for kind, code, digest, valid_from, valid_to, position, _, superseded, created_at, updated_at, *content in page:
        value, entity_type = content
        believed_at = known if superseded is None else superseded - 1
        cause = causes[since(belief[code, valid_from], valid_from, digest, believed_at)]
        found.append(
            VersionOut(
                type=kind,
                valid_from=valid_from,
                valid_to=valid_to,
                is_current=superseded is None and holds(now, valid_from, valid_to),
                created_at=created_at,
                updated_at=updated_at,
                hashdiff=digest,
                entity_uid=uid,
                changes={"display_name": value, "entity_type": entity_type}
                if kind == "entity"
                else {"detail_type": code, "detail_value": value},
                position=position,
                recorded_from=created_at,
                recorded_to=None if superseded is None else causes[superseded].recorded_at,
                event_id=cause.event_id,
                actor=cause.actor,
                reason=cause.reason,
            )
        )
    return found


def version_key(version: VersionOut) -> Key:
    """Return what a version is found by in a history: no event makes two of one field group with one start."""
    code = version.changes.get("detail_type", "")
    return Key(instant=version.valid_from, text=code, number=version.position)


def scheduled(part: Slice, known: int, passed: int, rows: Iterable[Row]) -> list[ScheduledOut]:
    """Return the changes of a page, from rows that ever met at an instant, in their order; one more may be there.

    So many changes as `passed` are before the first of these instants. Rows without an instant tell the events by their
    positions. The event of a change is the one since which it has been believed.
    """
    items = [item for item, _ in _changes(known, rows)]
    if not part.keyed:
        start = (part.page - 1) * part.size - passed
        return items[start : start + part.size + (not part.counted)]
    if part.after is not None:
        after = _place(part.after)
        items = [
            i
            for i in items
            if (_place(scheduled_key(i)) < after if part.backward else _place(scheduled_key(i)) > after)
        ]
    return items[-part.size - 1 :] if part.backward else items[: part.size + 1]


def came_true(known: int, rows: Iterable[Row]) -> list[ScheduledOut]:
    """Return the changes in the same rows that were recorded before their instants, in their order."""
    return [item for item, cause in _changes(known, rows) if cause.recorded_at < item.effective_at]


def _changes(known: int, rows: Iterable[Row]) -> Iterator[tuple[ScheduledOut, Cause]]:
    met: dict[tuple[datetime, UUID], list[Span]] = {}
    causes: dict[int, Cause] = {}
    for instant, uid, code, value, entity_type, valid_from, valid_to, position, *rest in rows:
        ended, superseded, *event = rest
        if position is None:
            continue
        if instant is None:
            causes[position] = Cause(*event)
            continue
        told = Told(valid_from, valid_to, position, ended, superseded)
        met.setdefault((instant, uid), []).extend(_spans(code, value, entity_type, told))
    for (instant, uid), spans in met.items():
        for step in steps(spans, Points(instant - timedelta(microseconds=1), instant, known, known)):
            cause = causes[step.position]
            who_and_why = cause.event_id, cause.actor, cause.reason
            yield ScheduledOut(uid, instant, step.field, step.before, step.after, *who_and_why), cause


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


def external_keys(rows: Iterable[Row]) -> list[ExternalKeyOut]:
    """Return the external keys in rows of them."""
    return [ExternalKeyOut(*row) for row in rows if row[0] is not None]


def external_key_key(found: ExternalKeyOut) -> Key:
    """Return what an external key is found by."""
    return Key(number=found.position)


def type_key(found: TypeOut) -> Key:
    """Return what a type is found by."""
    return Key(text=found.code)


def types(rows: Iterable[Row]) -> list[TypeOut]:
    """Return the types in rows of them."""
    return [TypeOut(*row) for row in rows if row[0] is not None]


def parked(row: Row) -> ParkedOut:
    """Return the first parked event of a stream, from its row."""
    position, stream, *rest = row
    return ParkedOut(position, stream, uid_of(stream), *rest)


def parked_key(found: ParkedOut) -> Key:
    """Return what a parked stream is found by."""
    return Key(number=found.position)


def parked_event(row: Row) -> ParkedEventOut:
    """Return a parked event from its row; what it holds stays the JSON that it is."""
    *told, first, positions, version, effective_at, effective_until, is_for_good, command_id, metadata, payload = row
    return ParkedEventOut(
        **asdict(parked(tuple(told))),
        first=first,
        behind_positions=positions,
        version=version,
        effective_at=effective_at,
        effective_until=INFINITY if is_for_good else effective_until and show(effective_until),
        command_id=command_id,
        metadata=Raw(metadata),
        payload=Raw(payload),
    )
