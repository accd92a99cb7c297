"""PURE: the audit entries of one event, told by what it changed in the rows."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import msgspec
from msgspec import Struct

from shared.core.events import Recorded
from shared.core.rows import Change, Closed, EntityVersion, Opened, Row
from shared.core.timeline import ROWS_PER_EVENT

encode = msgspec.json.Encoder(order="sorted").encode


class AuditEntry(Struct, frozen=True, kw_only=True):
    """One row of `audit_entry`; before and after are JSON objects of the values that changed, None where no row was."""

    audit_id: int
    position: int
    actor: str
    recorded_at: datetime
    entity_uid: UUID
    table_name: str
    operation: str
    detail_code: str | None
    before_value: str | None
    after_value: str | None
    request_id: str
    ip_address: str | None
    user_agent: str | None


def audit_entries(recorded: Recorded, changes: Sequence[Change]) -> list[AuditEntry]:
    """Return one entry for each group of rows that the event changed: entity first, then details by type."""
    groups: dict[str | None, tuple[Row | None, Row | None]] = {}
    for change in changes:
        code = None if isinstance(change.row, EntityVersion) else change.row.detail_type
        before, after = groups.get(code, (None, None))
        if isinstance(change, Closed):
            groups[code] = (change.row, after)
        elif isinstance(change, Opened):
            groups[code] = (before, change.row)
    return [
        _entry(recorded, recorded.position * ROWS_PER_EVENT + ordinal, code, before, after)
        for ordinal, (code, (before, after)) in enumerate(groups.items())
    ]


def _entry(recorded: Recorded, audit_id: int, code: str | None, before: Row | None, after: Row | None) -> AuditEntry:
    old, new = _values(before), _values(after)
    if old and new:
        changed = {name for name in old if old[name] != new[name]}
        old, new = {name: old[name] for name in changed}, {name: new[name] for name in changed}
    row = after or before
    assert row is not None  # noqa: S101  # a group is there because one of its rows changed
    return AuditEntry(
        audit_id=audit_id,
        position=recorded.position,
        actor=recorded.metadata.actor,
        recorded_at=recorded.recorded_at,
        entity_uid=row.entity_uid,
        table_name="entity" if code is None else "entity_detail",
        operation="UPDATE" if before and after else "INSERT" if after else "DELETE",
        detail_code=code,
        before_value=encode(old).decode() if old else None,
        after_value=encode(new).decode() if new else None,
        request_id=recorded.metadata.request_id,
        ip_address=recorded.context.ip_address,
        user_agent=recorded.context.user_agent,
    )


def _values(row: Row | None) -> dict[str, str]:
    if row is None:
        return {}
    if isinstance(row, EntityVersion):
        return {"display_name": row.display_name, "entity_type": row.entity_type}
    return {"detail_value": row.detail_value}
