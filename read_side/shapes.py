"""The shapes that only the read side answers with."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from msgspec import Meta, Raw, Struct

from shared.http.shapes import Hash, Instant

Values = Annotated[Raw, Meta(extra_json_schema={"type": ["object", "null"]})]
"""The JSON object of the values that changed, null where there was or is no row."""


class VersionOut(Struct):
    """One version of an entity or of one of its details, when it was recorded, and by whom."""

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
    actor: str


class AuditOut(Struct):
    """One change of one row: who, when, by which request, and only what changed."""

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
