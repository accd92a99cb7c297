"""The shapes that only the read side answers with."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from msgspec import Meta, Raw, Struct

from read_side.beliefs import Value
from shared.core.events import INFINITY
from shared.http.shapes import Hash, Instant

Object = Annotated[Raw, Meta(extra_json_schema={"type": "object"})]
"""A JSON object as it is stored."""

Until = Annotated[str, Meta(extra_json_schema={"anyOf": [{"format": "date-time"}, {"const": INFINITY}]})]
"""The end of what an event asserts."""

Values = Annotated[Raw, Meta(extra_json_schema={"type": ["object", "null"]})]
"""The JSON object of the values that changed, null where there was or is no row; both are where no row changed."""


class VersionOut(Struct, gc=False):
    """One version of an entity or of one of its details, when it was recorded, and by whom.

    It was believed from `recorded_from` on, until `recorded_to` where a later event told otherwise; its `valid_to` is
    known since `updated_at`. `position` and `recorded_from` are of the event that made the row, maybe anew for another
    end; `event_id`, `actor` and `reason` of the one since which it has been believed that this content begins there.
    """

    type: Literal["entity", "detail"]
    valid_from: Instant
    valid_to: Instant | None
    is_current: bool
    created_at: Instant
    updated_at: Instant
    hashdiff: Hash
    entity_uid: UUID
    changes: dict[str, str]
    position: int
    recorded_from: Instant
    recorded_to: Instant | None
    event_id: UUID
    actor: str
    reason: str | None


class VersionRow(Struct):
    """One version of an entity or of one of its details, flat: what is not its own is null.

    `position` is that of the event that made the row, `valid_to_known_position` of the one that told its end.
    """

    type: Literal["entity", "detail"]
    id: int
    entity_uid: UUID
    display_name: str | None
    entity_type: str | None
    detail_type: str | None
    detail_value: str | None
    valid_from: Instant
    valid_to: Instant | None
    is_current: bool
    hashdiff: Hash
    created_at: Instant
    updated_at: Instant
    position: int
    valid_to_known_position: int | None
    actor: str


class ScheduledOut(Struct):
    """A change of one field that is to come, and the event since which it has been believed; what is absent is null."""

    entity_uid: UUID
    effective_at: Instant
    field: str
    before: Value
    after: Value
    event_id: UUID
    actor: str
    reason: str | None


class AuditOut(Struct):
    """One change of one row: who, when, by which request, and only what changed.

    What was recorded and changed no row, such as the cancelling of what did not hold, is an UPDATE of the entity
    without values.
    """

    audit_id: int
    actor: str
    timestamp: Instant
    entity_uid: UUID
    table_name: Literal["entity", "entity_detail"]
    operation: Literal["INSERT", "UPDATE", "DELETE"]
    detail_code: str | None
    before_value: Values
    after_value: Values
    request_id: str
    ip_address: str | None
    user_agent: str | None
    position: int
    event_id: UUID
    reason: str | None


class ParkedOut(Struct):
    """An event that cannot be folded, and why; the later events of its stream, `behind` of them, wait for it."""

    position: int
    stream: str
    entity_uid: UUID | None
    type: str
    schema_version: int
    event_id: UUID
    recorded_at: Instant
    reason: str
    behind: int


class ParkedEventOut(ParkedOut):
    """An event that is parked, as it is stored.

    `first` is the position of the one of its stream that cannot be folded: its own, or that of one before it.
    `effective_until` may be infinity. Of what is behind, the positions of the next ones are told.
    """

    first: int
    behind_positions: list[int]
    version: int
    effective_at: Instant
    effective_until: Until | None
    command_id: UUID
    metadata: Object
    payload: Object


class ExternalKeyOut(Struct):
    """What another system calls an entity, since which event, and who said so."""

    source: str
    external_id: str
    entity_uid: UUID
    event_id: UUID
    position: int
    recorded_at: Instant
    actor: str
