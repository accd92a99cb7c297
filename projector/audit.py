"""PURE: the audit entries of one event, told by what it changed in the rows.

An entry shows one instant of valid time: the first at which something else is believed of the group than before. An
event that changed no row has one entry too: who did what, and why, is always told.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from shared.core.events import Recorded, uid_of
from shared.core.rows import Change, Closed, EntityVersion, Opened, Reasserted, Row
from shared.core.turn import ROWS_PER_EVENT

encode = msgspec.json.Encoder(order="sorted").encode


class AuditEntry(Struct, frozen=True, kw_only=True, gc=False):
    """One row of `audit_entry`; before and after are JSON objects of the values that changed.

    They are None where no row was, both of them where the event changed none.
    """

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
    event_id: UUID
    reason: str | None


def audit_entries(recorded: Recorded, changes: Sequence[Change]) -> list[AuditEntry]:
    """Return one entry for each group of rows that the event changed: entity first, then details by type.

    Where it changed none there is one that says so, about the entity.
    """
    uid = uid_of(recorded.stream)
    assert uid is not None  # noqa: S101  # only events of entities are folded into rows
    groups: dict[str | None, list[Change]] = {}
    for change in changes:
        if not isinstance(change, Reasserted):
            row = change.row
            groups.setdefault(None if isinstance(row, EntityVersion) else row.detail_type, []).append(change)
    if not groups:
        return [_entry(recorded, uid, 0, None, None, None)]
    return [
        _entry(recorded, uid, ordinal, code, *_first_difference(changed))
        for ordinal, (code, changed) in enumerate(groups.items())
    ]


def _first_difference(changed: Sequence[Change]) -> tuple[Row | None, Row | None]:
    """Return the rows of a group before and after, valid at the first instant at which they do not say the same."""
    change = changed[0]
    if len(changed) == 1:  # what nearly every event does
        return (None, change.row) if isinstance(change, Opened) else (change.row, None)
    if len(changed) == 2 and isinstance(change, Closed) and isinstance(changed[1], Opened):  # noqa: PLR2004
        row, opened = change.row, changed[1].row
        if row.valid_to == opened.valid_from and row.hashdiff != opened.hashdiff:
            return row, opened
    return _first_unequal(changed)


def _first_unequal(changed: Sequence[Change]) -> tuple[Row | None, Row | None]:
    before: list[Row] = []
    after: list[Row] = []
    for change in changed:
        if not isinstance(change, Opened):
            before.append(replace(change.row, valid_to=None) if isinstance(change, Closed) else change.row)
        if isinstance(change, Opened | Closed):
            after.append(change.row)
    ends = (row.valid_to for row in (*before, *after) if row.valid_to is not None)
    for instant in sorted({*(row.valid_from for row in (*before, *after)), *ends}):
        old, new = _valid_at(before, instant), _valid_at(after, instant)
        if (old and old.hashdiff) != (new and new.hashdiff):
            return old, new
    raise AssertionError("rows that changed say what they said before")


def _valid_at(rows: Sequence[Row], instant: datetime) -> Row | None:
    return next((row for row in rows if row.covers(instant)), None)


def _entry(
    recorded: Recorded, uid: UUID, ordinal: int, code: str | None, before: Row | None, after: Row | None
) -> AuditEntry:
    old, new = _values(before), _values(after)
    if old and new:
        for name in [name for name in old if old[name] == new[name]]:
            del old[name], new[name]
    return AuditEntry(
        audit_id=recorded.position * ROWS_PER_EVENT + ordinal,
        position=recorded.position,
        actor=recorded.metadata.actor,
        recorded_at=recorded.recorded_at,
        entity_uid=uid,
        table_name="entity" if code is None else "entity_detail",
        operation="UPDATE" if bool(before) == bool(after) else "INSERT" if after else "DELETE",
        detail_code=code,
        before_value=encode(old).decode() if old else None,
        after_value=encode(new).decode() if new else None,
        request_id=recorded.metadata.request_id,
        ip_address=recorded.context.ip_address,
        user_agent=recorded.context.user_agent,
        event_id=recorded.event_id,
        reason=recorded.context.reason,
    )


def _values(row: Row | None) -> dict[str, str]:
    if row is None:
        return {}
    if isinstance(row, EntityVersion):
        return {"display_name": row.display_name, "entity_type": row.entity_type}
    return {"detail_value": row.detail_value}
