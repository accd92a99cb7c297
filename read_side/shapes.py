"""The shapes that only the read side answers with."""

from __future__ import annotations

from datetime import datetime
from typing import Literal
from uuid import UUID

from msgspec import Raw, Struct


class VersionOut(Struct):
    """One version of an entity or of one of its details, when it was recorded, and by whom."""

    type: Literal["entity", "detail"]
    valid_from: datetime
    valid_to: datetime | None
    is_current: bool
    created_at: datetime
    updated_at: datetime
    hashdiff: str
    entity_uid: UUID
    changes: dict[str, str]
    position: int
    actor: str


class AuditOut(Struct):
    """One change of one row: who, when, by which request, and only what changed."""

    audit_id: int
    actor: str
    timestamp: datetime
    entity_uid: UUID
    table_name: Literal["entity", "entity_detail"]
    operation: Literal["INSERT", "UPDATE", "DELETE"]
    detail_code: str | None
    before_value: Raw
    after_value: Raw
    request_id: str
    ip_address: str | None
    user_agent: str | None
    position: int
