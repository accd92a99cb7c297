"""PURE: what another system calls an entity, a stream each: state, evolve, command, decide."""

from __future__ import annotations

import re
from uuid import UUID

from msgspec import Struct

from shared.core.errors import AlreadyClaimed, CannotFold
from shared.core.events import ExternalKeyClaimed, Recorded, external_key_stream

SOURCE = re.compile("[A-Za-z0-9_.-]{1,50}")
"""What a source is called: it has no colon, so that the name of a stream tells source and id apart."""

ID_CHARACTERS = 255


class ExternalKey(Struct, frozen=True):
    """The name of an entity in another system: which system, and what it is called there."""

    source: str
    external_id: str

    @property
    def stream(self) -> str:
        """The name of its stream."""
        return external_key_stream(self.source, self.external_id)


class Holder(Struct, frozen=True):
    """Which entity a key names; None as long as nobody has claimed it."""

    version: int = 0
    last_event_id: UUID | None = None
    entity_uid: UUID | None = None


def evolve(holder: Holder, recorded: Recorded) -> Holder:
    """Return the holder after the one event that the stream of a key has."""
    if not isinstance(recorded.event, ExternalKeyClaimed) or holder.version:
        raise CannotFold(recorded.position, "a key is claimed once, and that is all")
    return Holder(recorded.version, recorded.event_id, recorded.event.entity_uid)


class Claim(Struct, frozen=True):
    """Bind a key to an entity, for good."""

    key: ExternalKey
    entity_uid: UUID


def decide(holder: Holder, command: Claim) -> list[ExternalKeyClaimed]:
    """Return the claim; nothing when the entity has the key already. Raises AlreadyClaimed when another one has it."""
    if holder.entity_uid == command.entity_uid:
        return []
    if holder.entity_uid is not None:
        raise AlreadyClaimed(command.key.source, command.key.external_id, holder.entity_uid)
    return [ExternalKeyClaimed(command.key.source, command.key.external_id, command.entity_uid)]
