"""The shapes that both sides answer with; instants go out as RFC 3339 in UTC, microseconds only when not zero."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Any, Generic, Literal, TypeVar
from uuid import UUID

import msgspec
from msgspec import Meta, Raw, Struct

from shared.core.rows import DetailVersion, EntityVersion

Item = TypeVar("Item")

Instant = Annotated[datetime, Meta(tz=True)]
"""An instant as it goes out."""

Hash = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
"""A SHA-256 in hexadecimal digits."""

encode = msgspec.json.Encoder().encode
encode_lines = msgspec.json.Encoder().encode_lines
"""As NDJSON: a line each."""


class DetailOut(Struct, gc=False):
    """One detail of an entity, as it was at the instant asked about."""

    id: int
    detail_type: str
    detail_value: str
    valid_from: Instant
    valid_to: Instant | None
    is_current: bool
    hashdiff: Hash


class EntityOut(Struct, gc=False):
    """One version of an entity with its details, in order of detail type; `id` names the version row."""

    id: int
    entity_uid: UUID
    display_name: str
    entity_type: str
    valid_from: Instant
    valid_to: Instant | None
    is_current: bool
    hashdiff: Hash
    entity_details: list[DetailOut]


class Page(Struct, Generic[Item]):
    """One page of a list: how many there are in all, where the neighbours are, and this page's items."""

    count: int | None
    next: str | None
    previous: str | None
    results: list[Item]


class TypeOut(Struct):
    """An entity type or a detail type."""

    code: str
    name: str
    description: str
    is_active: bool


Json = Annotated[Raw, Meta(extra_json_schema={"type": ["object", "null"]})]
"""A JSON object as it stands in the database."""


class RunOut(Struct):
    """A run that makes rows anew: who asked, what for, how far it is, and what came of it.

    `done` of `total` is about the phase it is in: events, objects of the database, or rows. `seconds_left` is how long
    this phase will take at its `rate` a second. `result` is there when it is done, `error` when it has failed.
    """

    id: int
    kind: Literal["rebuild", "check", "rollback", "entity"]
    entity_uid: UUID | None
    requested_by: str
    requested_at: Instant
    started_at: Instant | None
    finished_at: Instant | None
    attempts: int
    phase: Literal["requested", "load", "index", "catch_up", "compare", "switch", "done", "failed"]
    done: int
    total: int
    rate: float | None
    seconds_left: float | None
    result: Json
    error: str | None


def run_out(*columns: Any) -> RunOut:  # noqa: ANN401  # a row, whose statement has the order of the shape
    """Return the shape of a run's row, which has no `seconds_left` yet."""
    *told, done, total, rate, result, error = columns
    left = round((total - done) / rate, 1) if rate else None
    raw = Raw(b"null" if result is None else result.encode())
    return RunOut(*told, done, total, rate and round(rate, 1), left, raw, error)  # type: ignore[call-arg]


def entity_out(entity: EntityVersion, details: Iterable[DetailVersion], now: datetime) -> EntityOut:
    """Return the shape of rows; those that are valid now are current."""
    return EntityOut(
        id=entity.id,
        entity_uid=entity.entity_uid,
        display_name=entity.display_name,
        entity_type=entity.entity_type,
        valid_from=entity.valid_from,
        valid_to=entity.valid_to,
        is_current=entity.covers(now),
        hashdiff=entity.hashdiff,
        entity_details=[
            DetailOut(
                id=detail.id,
                detail_type=detail.detail_type,
                detail_value=detail.detail_value,
                valid_from=detail.valid_from,
                valid_to=detail.valid_to,
                is_current=detail.covers(now),
                hashdiff=detail.hashdiff,
            )
            for detail in sorted(details, key=lambda row: row.detail_type)
        ],
    )
