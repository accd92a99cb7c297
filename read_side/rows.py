"""How plain rows of the statements become shapes: entities with their details, versions, audit entries, differences."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec import Raw

from read_side.diff import EntityDiff, Span, difference, span_of_detail, spans_of_entity
from read_side.shapes import AuditOut, VersionOut
from shared.http.shapes import DetailOut, EntityOut, TypeOut

if TYPE_CHECKING:
    from collections.abc import Iterable
    from uuid import UUID

    from read_side.questions import Window

Row = tuple[Any, ...]


def entities(rows: Iterable[Row]) -> list[EntityOut]:
    """Return the entities in rows of (entity, detail), in the order they come; without any, the row is all NULL."""
    found: dict[UUID, EntityOut] = {}
    for row in rows:
        id_, uid, name, kind, valid_from, valid_to, digest, *detail = row
        if uid is None:
            continue
        entity = found.get(uid)
        if entity is None:
            entity = EntityOut(id_, uid, name, kind, valid_from, valid_to, valid_to is None, digest, [])
            found[uid] = entity
        if detail[0] is not None:
            id_, code, value, valid_from, valid_to, digest = detail
            entity.entity_details.append(
                DetailOut(id_, code, value, valid_from, valid_to, valid_to is None, digest),
            )
    return list(found.values())


def versions(uid: UUID, rows: Iterable[Row]) -> list[VersionOut]:
    """Return the history in rows of versions."""
    found = []
    for kind, code, valid_from, valid_to, created_at, updated_at, digest, position, actor, value, entity_type in rows:
        if kind is None:
            continue
        found.append(
            VersionOut(
                type=kind,
                valid_from=valid_from,
                valid_to=valid_to,
                is_current=valid_to is None,
                created_at=created_at,
                updated_at=updated_at,
                hashdiff=digest,
                entity_uid=uid,
                changes={"display_name": value, "entity_type": entity_type}
                if kind == "entity"
                else {"detail_type": code, "detail_value": value},
                position=position,
                actor=actor,
            )
        )
    return found


def differences(window: Window, rows: Iterable[Row]) -> list[EntityDiff]:
    """Return what changed in each entity, in the order they come; one without any difference is left out."""
    spans: dict[UUID, list[Span]] = {}
    for uid, code, value, entity_type, valid_from, valid_to in rows:
        if valid_from is None:
            continue
        if code is None:
            spans.setdefault(uid, []).extend(spans_of_entity(value, entity_type, valid_from, valid_to))
        else:
            spans.setdefault(uid, []).append(span_of_detail(code, value, valid_from, valid_to))
    found = (
        EntityDiff(uid, difference(window.mode, of_entity, window.start, window.end))
        for uid, of_entity in spans.items()
    )
    return [diff for diff in found if diff.changes]


def audit_entries(rows: Iterable[Row]) -> list[AuditOut]:
    """Return the audit entries in rows of them; the values stay the JSON that they are."""
    found = []
    for row in rows:
        if row[0] is None:
            continue
        audit_id, actor, at, uid, table, operation, code, before, after, request_id, address, agent, position = row
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
            )
        )
    return found


def types(rows: Iterable[Row]) -> list[TypeOut]:
    """Return the types in rows of them."""
    return [TypeOut(*row) for row in rows if row[0] is not None]
