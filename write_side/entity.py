"""PURE: one entity as the command side knows it: state, evolve, commands, decide."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, assert_never
from uuid import UUID

from msgspec import UNSET, Struct, UnsetType, to_builtins

from shared.core.assertions import DETAILS, DISPLAY_NAME, ENTITY_TYPE, EXISTS, Value, assertions
from shared.core.errors import (
    AlreadyCancelled,
    AlreadyOpen,
    AlreadyRegistered,
    FieldError,
    GivesExistence,
    Invalid,
    Retired,
    Unknown,
    invalid,
)
from shared.core.events import (
    EntityRegistered,
    EntityReopened,
    EntityRetired,
    EntityRevised,
    EventCancelled,
    Kind,
    Recorded,
    Until,
)
from shared.core.timeline import Timeline, fold, stands
from write_side import known

if TYPE_CHECKING:
    from shared.core.events import EntityEvent
    from write_side.registry import Registry


# --- state ---------------------------------------------------------------------------------------------------------

Entity = Timeline
"""What decide needs to know is what the shared fold keeps, with every assertion at hand."""


def initial(entity_uid: UUID) -> Entity:
    """Return an entity nothing is known about."""
    return Timeline(entity_uid=entity_uid)


def evolve(entity: Entity, recorded: Recorded) -> Entity:
    """Return the entity after one more of its events."""
    return fold(entity, recorded)[0]


def etag(entity: Entity, now: datetime) -> str:
    """Return the version that If-Match compares: the last event, and how many change points are due."""
    return f'"{to_builtins(entity.last_event_id)}.{entity.due(now)}"'


# --- commands ------------------------------------------------------------------------------------------------------


class Dated(Struct, frozen=True, kw_only=True):
    """What every command but a cancellation has: since when it holds (now when absent), and how long."""

    effective_at: datetime | None = None
    effective_until: Until = None

    @property
    def is_dated(self) -> bool:
        """Whether it names an instant."""
        return self.effective_at is not None or self.effective_until is not None


class Register(Dated, frozen=True, kw_only=True):
    """Make an entity known."""

    display_name: str
    entity_type: str
    details: Mapping[str, str] = {}


class Revise(Dated, frozen=True, kw_only=True):
    """Assert what is given, leave what is not; a detail of None is removed."""

    display_name: str | UnsetType = UNSET
    entity_type: str | UnsetType = UNSET
    details: Mapping[str, str | None] = {}


class Replace(Dated, frozen=True, kw_only=True):
    """Assert the whole: details that are not listed end."""

    display_name: str
    entity_type: str
    details: Mapping[str, str] = {}


class Retire(Dated, frozen=True, kw_only=True):
    """The entity exists no longer, or not until."""


class Reopen(Dated, frozen=True, kw_only=True):
    """The entity exists again, or from an earlier instant on, with what it had unless other values are given."""

    display_name: str | UnsetType = UNSET
    entity_type: str | UnsetType = UNSET
    details: Mapping[str, str | None] = {}


class Cancel(Struct, frozen=True, kw_only=True):
    """Withdraw an earlier event of the entity as a whole."""

    event_id: UUID


Assert = Register | Revise | Replace | Retire | Reopen
Typed = EntityRegistered | EntityRevised | EntityReopened
Command = Assert | Cancel


# --- decide --------------------------------------------------------------------------------------------------------


def decide(entity: Entity, command: Command, *, registry: Registry, now: datetime) -> list[EntityEvent]:
    """Return what the command makes happen: one event, or none when all is so already.

    Raises Invalid for a type that refuses use, for a bound that is not later than its start and for an event that the
    entity does not have; AlreadyRegistered, Unknown, Retired, NotYet, AlreadyOpen, AlreadyCancelled, GivesExistence,
    Nameless where the entity's own state is against it.
    """
    if isinstance(command, Cancel):
        return [_cancellation(entity, command, now)]
    at = command.effective_at or now
    if isinstance(command.effective_until, datetime) and command.effective_until <= at:
        raise invalid("effective_until", "Must be later than effective_at, which is now when absent.", "not_after")
    check_codes({} if isinstance(command, Retire) else command.details, registry)
    event: EntityEvent | None
    match command:
        case Register():
            event = _registration(entity, command, now)
        case Revise():
            known.must_exist(entity, at)
            event = _revision(entity, command, at)
        case Replace():
            known.must_exist(entity, at)
            event = _revision(entity, _as_revision(entity, command, at), at)
        case Retire():
            event = _retirement(entity, command, at)
        case Reopen():
            event = _reopening(entity, command, at, now)
        case _:
            assert_never(command)
    if event is None:
        return []
    _check_types(entity, event, registry, at)
    return [event]


def holds_between(entity: Entity, command: Dated | Cancel, now: datetime) -> tuple[datetime | None, datetime | None]:
    """Return between which instants a decision made now holds, if nobody else writes.

    From the last change point that was scheduled and has come, until the next one; None where there is none.
    """
    instants: Sequence[datetime] = entity.schedule
    if isinstance(command, Dated) and command.effective_at is None and isinstance(command.effective_until, datetime):
        instants = [*instants, command.effective_until]  # by then it is no bound any more
    if not instants:
        return None, None
    come = max((instant for instant in instants if instant <= now), default=None)
    return come, min((instant for instant in instants if instant > now), default=None)


def _registration(entity: Entity, command: Register, now: datetime) -> EntityRegistered | None:
    """Return the registration, None when it was made before with the same content."""
    wanted = EntityRegistered(command.display_name, command.entity_type, dict(command.details))
    if entity.version == 0:
        return wanted
    if (entity.registered_at or now) <= now and not known.exists(entity, now):
        raise Retired(entity.entity_uid, known.ended(entity, now) or entity.registered_at or now)
    fields = known.fields_of(entity)
    first = {field: a for field, said in fields.items() for a in said if a.event_id == entity.registered_by}
    same_content = {field: a.value for field, a in first.items()} == assertions(wanted)
    same_span = all(
        command.effective_at in {None, a.effective_at} and command.effective_until == a.effective_until
        for a in first.values()
    )
    if same_content and same_span:
        return None
    raise AlreadyRegistered("entity", str(entity.entity_uid))


def _revision(entity: Entity, command: Revise, at: datetime) -> EntityRevised | None:
    """Return the revision that carries only what it asserts, None when nothing is left of it."""
    wanted = assertions(EntityRevised(command.display_name, command.entity_type, dict(command.details)))
    left = {field: value for field, value in wanted.items() if not _holds(entity, field, value, command, at)}
    return EntityRevised(**_as_event_fields(left)) if left else None


def _as_revision(entity: Entity, command: Replace, at: datetime) -> Revise:
    """Return the revision that makes the entity what the command says: what is not listed and is there, ends.

    What is there is what holds at its start; with a bound, whatever holds within it.
    """
    codes = {field.removeprefix(DETAILS) for field in known.fields_of(entity) if field.startswith(DETAILS)}
    unlisted = codes - command.details.keys()
    gone = {code: None for code in unlisted if known.holds(entity, DETAILS + code, at, command.effective_until)}
    return Revise(
        display_name=command.display_name,
        entity_type=command.entity_type,
        details={**command.details, **gone},
        effective_at=command.effective_at,
        effective_until=command.effective_until,
    )


def _retirement(entity: Entity, command: Retire, at: datetime) -> EntityRetired | None:
    if _stands_again(entity, EXISTS, False, command):
        return None
    known.must_exist(entity, at)
    return EntityRetired()


def _reopening(entity: Entity, command: Reopen, at: datetime, now: datetime) -> EntityReopened | None:
    if entity.version == 0:
        raise Unknown("entity")
    wanted = assertions(EntityReopened(command.display_name, command.entity_type, dict(command.details)))
    if all(_stands_again(entity, field, value, command) for field, value in wanted.items()):
        return None
    if known.exists(entity, at):
        raise AlreadyOpen(entity.entity_uid)
    del wanted[EXISTS]
    left = {field: value for field, value in wanted.items() if not _holds(entity, field, value, command, at)}
    event = EntityReopened(**_as_event_fields(left))
    known.must_be_named(known.imagine(entity, event, at, command.effective_until, now))
    return event


def _cancellation(entity: Entity, command: Cancel, now: datetime) -> EventCancelled:
    if entity.version == 0:
        raise Unknown("entity")
    if command.event_id in entity.cancelled:
        raise AlreadyCancelled(command.event_id)
    if not stands(known.fields_of(entity), command.event_id):
        raise invalid("event_id", "This entity has no such event that could be cancelled.", "unknown_event")
    event = EventCancelled(command.event_id)
    after = known.imagine(entity, event, now, None, now)
    left = known.existence(after)
    if not left or (command.event_id == entity.registered_by and left != known.existence(entity)):
        raise GivesExistence(command.event_id)
    known.must_be_named(after)
    return event


def _holds(entity: Entity, field: str, value: Value, command: Revise | Reopen, at: datetime) -> bool:
    """Say whether asserting the value would tell the entity nothing new."""
    if command.is_dated:
        return _stands_again(entity, field, value, command)
    return known.value(entity, field, at) == value


def _stands_again(entity: Entity, field: str, wanted: Value, command: Assert) -> bool:
    """Say whether the very same dated assertion stands, and nothing recorded after it touches its span."""
    return command.is_dated and known.stands_again(entity, field, wanted, command.effective_at, command.effective_until)


def _as_event_fields(asserted: Mapping[str, Value]) -> dict[str, Any]:
    """Return the assertions as the fields of an event."""
    fields: dict[str, Any] = {field: asserted[field] for field in (DISPLAY_NAME, ENTITY_TYPE) if field in asserted}
    fields["details"] = {f.removeprefix(DETAILS): v for f, v in asserted.items() if f.startswith(DETAILS)}
    return fields


def check_codes(details: Mapping[str, str | None], registry: Registry) -> None:
    """Raise Invalid where a detail is removed of a type that was never registered: nothing can have it."""
    removed = [code for code, value in details.items() if value is None]
    unknown = removed and sorted(code for code in removed if (Kind.DETAIL, code) not in registry.types)
    if unknown:
        raise Invalid([FieldError("details", f"Unknown detail type: {code}.", "unknown_type") for code in unknown])


def _check_types(entity: Entity, event: EntityEvent, registry: Registry, at: datetime) -> None:
    """Raise Invalid where a type is put to new use that is unknown, or closed to it."""
    if not isinstance(event, Typed):
        return
    errors: list[FieldError] = []
    kind = event.entity_type
    is_closed = isinstance(kind, str) and not registry.is_active(Kind.ENTITY, kind)
    if is_closed and kind != known.value(entity, ENTITY_TYPE, at):
        errors.append(FieldError("entity_type", f"Unknown or inactive entity type: {kind}.", "unknown_type"))
    for code, value in event.details.items():
        is_new = value is not None and not registry.is_active(Kind.DETAIL, code)
        if is_new and known.value(entity, DETAILS + code, at) is None:
            errors.append(FieldError("details", f"Unknown or inactive detail type: {code}.", "unknown_type"))
    if errors:
        raise Invalid(errors)
