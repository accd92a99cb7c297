"""What can happen: the events, and the envelope in which the log keeps them.

Each event carries only what it asserts. NOTE: the classes are storage formats; a change of one needs a new
schema version and an upcaster (`upcasters.py`).
"""

from __future__ import annotations

from datetime import datetime  # msgspec reads the annotations at run time
from enum import StrEnum
from functools import lru_cache
from typing import Final, Literal
from uuid import UUID

from msgspec import UNSET, Struct, UnsetType, to_builtins


class EntityRegistered(Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """An entity came to be known, with its name, its type and its first details."""

    display_name: str
    entity_type: str
    details: dict[str, str] = {}


class EntityRevised(Struct, frozen=True, gc=False, forbid_unknown_fields=True, omit_defaults=True):
    """Some fields of an entity were asserted; what is absent was not spoken of. A detail of None is removed."""

    display_name: str | UnsetType = UNSET
    entity_type: str | UnsetType = UNSET
    details: dict[str, str | None] = {}


class EntityRetired(Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """An entity ceased to exist; its values go on underneath."""


class EntityReopened(Struct, frozen=True, gc=False, forbid_unknown_fields=True, omit_defaults=True):
    """A retired entity exists again, with the values it had unless others are given."""

    display_name: str | UnsetType = UNSET
    entity_type: str | UnsetType = UNSET
    details: dict[str, str | None] = {}


class EventCancelled(Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """An earlier event of the entity was withdrawn as a whole: from here on it is as if it had never been."""

    event_id: UUID


class EventSkipped(Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """An event of the entity that cannot be folded was left out for good, by somebody's decision."""

    event_id: UUID


class Kind(StrEnum):
    """Which registry of types a code belongs to."""

    ENTITY = "entity"
    DETAIL = "detail"


class TypeRegistered(Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """A code for entities or details was added to the registry, active."""

    kind: Kind
    code: str
    name: str
    description: str = ""


class TypeChanged(Struct, frozen=True, gc=False, forbid_unknown_fields=True, omit_defaults=True):
    """A type got another name or description."""

    kind: Kind
    code: str
    name: str | UnsetType = UNSET
    description: str | UnsetType = UNSET


class TypeActivated(Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """A type may be used again."""

    kind: Kind
    code: str


class TypeDeactivated(Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """A type refuses new use; what exists stays readable."""

    kind: Kind
    code: str


class ExternalKeyClaimed(Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """What another system calls an entity was bound to it, for good."""

    source: str
    external_id: str
    entity_uid: UUID


EntityEvent = EntityRegistered | EntityRevised | EntityRetired | EntityReopened | EventCancelled | EventSkipped
RegistryEvent = TypeRegistered | TypeChanged | TypeActivated | TypeDeactivated
Event = EntityEvent | RegistryEvent | ExternalKeyClaimed

REGISTRY_STREAM = "registry"

INFINITY: Final = "infinity"
Until = datetime | Literal["infinity"] | None
"""The end of what an event asserts: an instant, None (until the next known change), or infinity (overwriting those)."""


def entity_stream(entity_uid: UUID) -> str:
    """Return the name of an entity's stream."""
    return f"entity:{to_builtins(entity_uid)}"  # half of what str() takes


def external_key_stream(source: str, external_id: str) -> str:
    """Return the name of the stream whose first event claims an external key; a source has no colon."""
    return f"external_key:{source}:{external_id}"


def external_key_of(stream: str) -> tuple[str, str] | None:
    """Return the source and the external id that a stream claims, None for any other stream."""
    kind, _, key = stream.partition(":")
    source, separator, external_id = key.partition(":")
    return (source, external_id) if kind == "external_key" and separator else None


@lru_cache(maxsize=1024)
def uid_of(stream: str) -> UUID | None:
    """Return the entity a stream belongs to, None for any other stream."""
    kind, _, name = stream.partition(":")
    try:
        return UUID(name) if kind == "entity" else None
    except ValueError:
        return None


class Context(Struct, frozen=True, gc=False, omit_defaults=True):
    """Where a command came from and why: personal, so part of the payload and erased with it."""

    ip_address: str | None = None
    user_agent: str | None = None
    reason: str | None = None


class Metadata(Struct, frozen=True, gc=False, omit_defaults=True):
    """Who asked, and by which request."""

    actor: str
    request_id: str
    correlation_id: str | None = None
    causation_id: str | None = None


class Recorded(Struct, frozen=True, gc=False):
    """An event as the log has it: position in the whole log, version in its stream, both from 1."""

    position: int
    event_id: UUID
    stream: str
    version: int
    event: Event
    effective_at: datetime
    effective_until: Until
    recorded_at: datetime
    context: Context
    metadata: Metadata
