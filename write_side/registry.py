"""PURE: the registry of entity types and detail types, one stream for both: state, evolve, commands, decide."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, assert_never
from uuid import UUID

from msgspec import UNSET, Struct, UnsetType
from msgspec.structs import replace

from shared.core.errors import AlreadyRegistered, CannotFold, Unknown
from shared.core.events import (
    Kind,
    Recorded,
    TypeActivated,
    TypeChanged,
    TypeDeactivated,
    TypeRegistered,
)

if TYPE_CHECKING:
    from shared.core.events import RegistryEvent


class TypeState(Struct, frozen=True):
    """One type as the registry has it."""

    code: str
    name: str
    description: str
    is_active: bool = True


class Registry(Struct, frozen=True):
    """All types, by kind and code."""

    version: int = 0
    last_event_id: UUID | None = None
    types: Mapping[tuple[Kind, str], TypeState] = {}

    def is_active(self, kind: Kind, code: str) -> bool:
        """Say whether the code is known and open to new use."""
        found = self.types.get((kind, code))
        return found is not None and found.is_active


def evolve(registry: Registry, recorded: Recorded) -> Registry:
    """Return the registry after one more of its events."""
    event = recorded.event
    if not isinstance(event, TypeRegistered | TypeChanged | TypeActivated | TypeDeactivated):
        raise CannotFold(recorded.position, f"{type(event).__name__} is no event of the registry")
    types = dict(registry.types)
    key = (event.kind, event.code)
    if isinstance(event, TypeRegistered) == (key in types):
        raise CannotFold(recorded.position, f"the {event.kind} type {event.code} is registered once, and first of all")
    match event:
        case TypeRegistered():
            types[key] = TypeState(event.code, event.name, event.description)
        case TypeChanged():
            old = types[key]
            types[key] = replace(
                old,
                name=old.name if event.name is UNSET else event.name,
                description=old.description if event.description is UNSET else event.description,
            )
        case TypeActivated():
            types[key] = replace(types[key], is_active=True)
        case TypeDeactivated():
            types[key] = replace(types[key], is_active=False)
        case _:
            assert_never(event)
    return Registry(recorded.version, recorded.event_id, types)


class RegisterType(Struct, frozen=True):
    """Add a code; again with the same content changes nothing."""

    kind: Kind
    code: str
    name: str
    description: str = ""
    is_active: bool = True


class ChangeType(Struct, frozen=True):
    """Change what is given, leave what is not."""

    kind: Kind
    code: str
    name: str | UnsetType = UNSET
    description: str | UnsetType = UNSET
    is_active: bool | UnsetType = UNSET


RegistryCommand = RegisterType | ChangeType


def decide(registry: Registry, command: RegistryCommand) -> list[RegistryEvent]:
    """Return what the command makes happen; nothing when all is so already.

    Raises AlreadyRegistered for a code that exists with other content, Unknown for a change of one that does not.
    """
    found = registry.types.get((command.kind, command.code))
    match command:
        case RegisterType():
            if found is not None:
                if found == TypeState(command.code, command.name, command.description, command.is_active):
                    return []
                raise AlreadyRegistered(f"{command.kind} type", command.code)
            events: list[RegistryEvent] = [
                TypeRegistered(command.kind, command.code, command.name, command.description)
            ]
            if not command.is_active:
                events.append(TypeDeactivated(command.kind, command.code))
            return events
        case ChangeType():
            if found is None:
                raise Unknown(f"{command.kind} type {command.code}")
            name = UNSET if command.name == found.name else command.name
            description = UNSET if command.description == found.description else command.description
            changes: list[RegistryEvent] = []
            if name is not UNSET or description is not UNSET:
                changes.append(TypeChanged(command.kind, command.code, name, description))
            if command.is_active is not UNSET and command.is_active != found.is_active:
                toggle = TypeActivated if command.is_active else TypeDeactivated
                changes.append(toggle(command.kind, command.code))
            return changes
        case _:
            assert_never(command)
