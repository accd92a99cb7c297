"""PURE: events as other systems take them: CloudEvents 1.0 in JSON, and the notice of a change that became effective.

What is personal about a request (its address, its agent) is no business of theirs, and is left out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from shared.core.codec import EVENT_CLASSES, decode
from shared.core.errors import CannotFold
from shared.core.events import ExternalKeyClaimed, RegistryEvent, uid_of
from shared.core.upcasters import SCHEMA_VERSIONS
from shared.http.instants import show
from shared.http.shapes import Instant

if TYPE_CHECKING:
    from collections.abc import Sequence

    from read_side.shapes import ScheduledOut

SOURCE = "/api/v1/events"
"""Where all events come from, the `source` of each: with `id` it names an event."""
PREFIX = "cockpit."
"""What stands before the type of an event, so that it is told from those of other systems."""
EVENT_TYPES = tuple(EVENT_CLASSES)
BECAME_EFFECTIVE = "became_effective"

Until = Annotated[str, Meta(extra_json_schema={"anyOf": [{"format": "date-time"}, {"const": "infinity"}]})]


class CloudEvent(Struct, frozen=True, kw_only=True):
    """An event of the log as a CloudEvent: `data` is what it asserts, in today's schema version, and the reason given.

    `subject` is the entity, or the code of the type; `time` is when it was recorded. One that this release cannot
    decode has no data, and `undecodable` says why.
    """

    specversion: Literal["1.0"] = "1.0"
    id: UUID
    source: str = SOURCE
    type: str
    subject: str | UnsetType = UNSET
    time: Instant
    datacontenttype: Literal["application/json"] = "application/json"
    data: dict[str, Any] | None
    position: int
    stream: str
    version: int
    effectiveat: Instant
    effectiveuntil: Until | UnsetType = UNSET
    actor: str | UnsetType = UNSET
    requestid: str | UnsetType = UNSET
    schemaversion: int
    undecodable: str | UnsetType = UNSET


class Notice(Struct, frozen=True, kw_only=True):
    """A scheduled change whose instant has come, as a CloudEvent: `time` is that instant.

    It may come again, with the same id.
    """

    specversion: Literal["1.0"] = "1.0"
    id: str
    source: str = SOURCE
    type: Literal["cockpit.became_effective"] = "cockpit.became_effective"
    subject: UUID
    time: Instant
    datacontenttype: Literal["application/json"] = "application/json"
    data: dict[str, Any]


def cloud_event(row: Sequence[Any]) -> CloudEvent:
    """Return the event in a row of the log; whatever it holds, there is one."""
    position, event_id, stream, version, event_type, schema_version, effective_at, until, is_for_good, at, *_ = row
    effective_until = "infinity" if is_for_good else UNSET if until is None else show(until)
    uid = uid_of(stream)
    subject: str | UnsetType = UNSET if uid is None else str(uid)
    data: dict[str, Any] | None = None
    undecodable: str | UnsetType = UNSET
    actor, request_id = _author(row[-1])
    try:
        recorded = decode(*row)
    except CannotFold as error:
        undecodable = error.reason
    else:
        schema_version = SCHEMA_VERSIONS[event_type]
        data = msgspec.to_builtins(recorded.event)
        if recorded.context.reason is not None:
            data["reason"] = recorded.context.reason
        if isinstance(recorded.event, RegistryEvent):
            subject = recorded.event.code
        elif isinstance(recorded.event, ExternalKeyClaimed):
            subject = str(recorded.event.entity_uid)
    return CloudEvent(
        id=event_id,
        type=PREFIX + event_type,
        subject=subject,
        time=at,
        data=data,
        position=position,
        stream=stream,
        version=version,
        effectiveat=effective_at,
        effectiveuntil=effective_until,
        actor=actor,
        requestid=request_id,
        schemaversion=schema_version,
        undecodable=undecodable,
    )


def notice(change: ScheduledOut) -> Notice:
    """Return what is told of a scheduled change; its id is the same each time."""
    return Notice(
        id=f"{change.event_id}/{change.field}/{show(change.effective_at)}",
        subject=change.entity_uid,
        time=change.effective_at,
        data={
            "field": change.field,
            "before": change.before,
            "after": change.after,
            "event_id": change.event_id,
            "actor": change.actor,
            "reason": change.reason,
        },
    )


def _author(metadata: bytes | str) -> tuple[str | UnsetType, str | UnsetType]:
    """Return who asked and by which request, as far as the metadata says so: an event that cannot be decoded has it."""
    try:
        known = msgspec.json.decode(metadata, type=dict[str, Any])
    except msgspec.DecodeError:
        return UNSET, UNSET
    return known.get("actor", UNSET), known.get("request_id", UNSET)
