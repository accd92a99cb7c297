"""What one event changes in the rows of an entity: the smallest difference that makes them say what is asserted.

Rows that stay true are left alone, an open row may be closed; what is true no more is superseded, and others open.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from msgspec.structs import replace

from shared.core.assertions import DETAILS, DISPLAY_NAME, ENTITY_TYPE, EXISTS, Assertion, Value
from shared.core.errors import CannotFold, NotForward
from shared.core.hashdiff import detail_hash, entity_hash
from shared.core.rows import Closed, DetailVersion, EntityVersion, Opened, Reasserted, Row, Superseded
from shared.core.segments import ENTITY, Content, Fields, asserted_to, segments

if TYPE_CHECKING:
    from shared.core.events import Recorded
    from shared.core.rows import Change

ROWS_PER_EVENT = 1 << 16
"""NOTE: a storage format: a row's id is the position of the event that made it times this, plus an ordinal."""

Rows = tuple[Row, ...]
"""The rows of one group that are known now, in the order of valid time."""


class Turn:
    """Takes the groups that one event touches from what they were to what they are, and keeps what that changed."""

    def __init__(
        self, entity_uid: UUID, recorded: Recorded, asserted: Mapping[str, Assertion], fields: Fields | None
    ) -> None:
        """Take the event, what it asserts by field, and all that is asserted with it (None: not at hand)."""
        self.entity_uid = entity_uid
        self.recorded = recorded
        self.changes: list[Change] = []
        until = recorded.effective_until
        self._asserted = asserted
        self._fields = fields
        self._end = until if isinstance(until, datetime) else None
        self._made = 0

    def __call__(self, group: str, known: Rows) -> Rows:
        """Return the group's rows from now on. An event later than all that is asserted needs the open row alone."""
        is_unbounded = bool(self._asserted) and self._end is None
        last = known[-1] if known else None
        if is_unbounded and last and last.asserted_to and last.asserted_to < self.recorded.effective_at:
            return (*known[:-1], *self._go_on(group, last))
        if self._fields is None:
            raise NotForward(self.recorded.position, f"more is asserted of {group} than its open row tells")
        if self.recorded.version == 1:
            return self._begin(group)
        return self._compare(group, known, self._fields)

    def _begin(self, group: str) -> Rows:
        """Return the row that the first event alone makes of a group: what `_compare` comes to where nothing is yet."""
        if group == ENTITY:
            content = str(self._asserted[DISPLAY_NAME].value), str(self._asserted[ENTITY_TYPE].value)
        else:
            content = group.removeprefix(DETAILS), str(self._asserted[group].value)
        at = self.recorded.effective_at
        return (self._open(group, at, self._end, content, at),)

    def _go_on(self, group: str, row: Row) -> Rows:
        """Return what an open row becomes: the same, asserted again, or closed, and perhaps another after it."""
        at = self.recorded.effective_at
        content = self._next_content(group, row)
        if content == content_of(row):
            return (self._reassert(row, at),)
        closed = self._close(row, at)
        return (closed,) if content is None else (closed, self._open(group, at, None, content, at))

    def _next_content(self, group: str, row: Row) -> Content | None:
        """Return what an open row's content becomes; None when the event ends it."""
        if self._said(EXISTS, known=True) is False:
            return None
        if isinstance(row, EntityVersion):
            return str(self._said(DISPLAY_NAME, row.display_name)), str(self._said(ENTITY_TYPE, row.entity_type))
        value = self._said(group, row.detail_value)
        return None if value is None else (row.detail_type, str(value))

    def _said(self, field: str, known: Value) -> Value:
        """Return what the event says of a field; what is known of it where it does not speak of it."""
        assertion = self._asserted.get(field)
        return known if assertion is None else assertion.value

    def _compare(self, group: str, known: Rows, fields: Fields) -> Rows:
        """Return the rows that say what the group's assertions say, and keep of the known ones what stays true."""
        wanted = {segment.start: segment for segment in segments(fields, group)}
        last_asserted = asserted_to(fields, group)
        rows: dict[datetime, Row] = {}
        for row in known:
            segment = wanted.get(row.valid_from)
            if segment is not None and segment.content == content_of(row):
                if segment.end == row.valid_to:
                    rows[row.valid_from] = self._reassert(row, last_asserted) if segment.end is None else row
                    continue
                if row.valid_to is None and segment.end is not None:
                    rows[row.valid_from] = self._close(row, segment.end)
                    continue
            self.changes.append(Superseded(row, self.recorded.position))
        for segment in wanted.values():
            if segment.start not in rows:
                rows[segment.start] = self._open(group, *segment, last_asserted)
        return tuple(rows[start] for start in wanted)

    def _reassert(self, row: Row, at: datetime | None) -> Row:
        if row.asserted_to == at:
            return row
        again = replace(row, asserted_to=at)
        self.changes.append(Reasserted(again))
        return again

    def _close(self, row: Row, end: datetime) -> Row:
        position, recorded_at = self.recorded.position, self.recorded.recorded_at
        closed = replace(row, valid_to=end, valid_to_known_position=position, updated_at=recorded_at, asserted_to=None)
        self.changes.append(Closed(closed))
        return closed

    def _open(
        self, group: str, start: datetime, end: datetime | None, content: Content, last_asserted: datetime | None
    ) -> Row:
        position, recorded_at = self.recorded.position, self.recorded.recorded_at
        first, second = content
        if self._made == ROWS_PER_EVENT:
            raise CannotFold(position, f"it would make over {ROWS_PER_EVENT} rows")
        row: Row
        if group == ENTITY:
            row = EntityVersion(
                id=position * ROWS_PER_EVENT + self._made,
                entity_uid=self.entity_uid,
                display_name=first,
                entity_type=second,
                hashdiff=entity_hash(first, second),
                valid_from=start,
                valid_to=end,
                asserted_to=last_asserted if end is None else None,
                recorded_from_position=position,
                valid_to_known_position=None if end is None else position,
                created_at=recorded_at,
                updated_at=recorded_at,
                actor=self.recorded.metadata.actor,
            )
        else:
            row = DetailVersion(
                id=position * ROWS_PER_EVENT + self._made,
                entity_uid=self.entity_uid,
                detail_type=first,
                detail_value=second,
                hashdiff=detail_hash(first, second),
                valid_from=start,
                valid_to=end,
                asserted_to=last_asserted if end is None else None,
                recorded_from_position=position,
                valid_to_known_position=None if end is None else position,
                created_at=recorded_at,
                updated_at=recorded_at,
                actor=self.recorded.metadata.actor,
            )
        self._made += 1
        self.changes.append(Opened(row))
        return row


def content_of(row: Row) -> Content:
    """Return what a row says, as segments have it."""
    if isinstance(row, EntityVersion):
        return row.display_name, row.entity_type
    return row.detail_type, row.detail_value
