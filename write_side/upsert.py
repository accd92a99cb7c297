"""PURE: register an entity or revise it, whichever is due, by its uid, by an external key, or by both.

What one line of a batch or one row of a file means. Two streams take part: the entity's, and the key's.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from msgspec import UNSET, UnsetType

from shared.core.errors import FieldError, Invalid
from write_side import entity as entities
from write_side import external_key
from write_side.entity import Dated, Register, Revise
from write_side.external_key import Claim, ExternalKey, Holder

if TYPE_CHECKING:
    from shared.core.events import Event
    from write_side.entity import Entity
    from write_side.registry import Registry


class Upsert(Dated, frozen=True, kw_only=True, omit_defaults=True):
    """Assert what is given of an entity, and make it known where it is not. It has a uid, a key, or both.

    NOTE: a storage format: the ids of commands are digests of it (`command_ids.py`).
    """

    entity_uid: UUID | None = None
    key: ExternalKey | None = None
    display_name: str | UnsetType = UNSET
    entity_type: str | UnsetType = UNSET
    details: Mapping[str, str | None] = {}


def decide(entity: Entity, holder: Holder, command: Upsert, *, registry: Registry, now: datetime) -> list[Event]:
    """Return what the command makes happen: the entity's event first, then the claim of the key, each where it is due.

    Raises AlreadyClaimed, and what the registration or the revision raises.
    """
    claims = [] if command.key is None else external_key.decide(holder, Claim(command.key, entity.entity_uid))
    meant = as_command(entity, command, registry)
    return [*entities.decide(entity, meant, registry=registry, now=now), *claims]


def as_command(entity: Entity, command: Upsert, registry: Registry) -> Register | Revise:
    """Return the registration of an entity that is not known, the revision of one that is.

    Raises Invalid for a registration without a name or a type, and for details to remove of a type there never was.
    """
    name, kind, at, until = command.display_name, command.entity_type, command.effective_at, command.effective_until
    if entity.version:
        return Revise(
            display_name=name, entity_type=kind, details=command.details, effective_at=at, effective_until=until
        )
    if isinstance(name, UnsetType) or isinstance(kind, UnsetType):
        missing = [field for field, value in (("display_name", name), ("entity_type", kind)) if value is UNSET]
        needed = "This field is required: the entity is not known yet."
        raise Invalid([FieldError(field, needed, "required") for field in missing])
    entities.check_codes(command.details, registry)
    details = {code: value for code, value in command.details.items() if value is not None}
    return Register(display_name=name, entity_type=kind, details=details, effective_at=at, effective_until=until)
