"""PURE: one entity as the command side knows it: state, evolve, commands, decide."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, assert_never
from uuid import UUID

from msgspec import UNSET, Struct, UnsetType

from shared.core.errors import (
    AlreadyOpen,
    AlreadyRegistered,
    FieldError,
    Invalid,
    NotYet,
    Retired,
    Unknown,
    not_supported_yet,
)
from shared.core.events import EntityRegistered, EntityReopened, EntityRetired, EntityRevised, Kind, Recorded
from shared.core.assertions import DETAILS, DISPLAY_NAME, ENTITY_TYPE, EXISTS, Value, assertions
from shared.core.timeline import Timeline, fold

if TYPE_CHECKING:
    from shared.core.events import EntityEvent
    from write_side.registry import Registry


# --- state ---------------------------------------------------------------------------------------------------------


class ChangePoint(Struct, frozen=True):
    """An assertion that holds from its instant until the next one of the same field."""

    effective_at: datetime
    value: Value


class Entity(Struct, frozen=True):
    """What decide needs to know: the fold so far, and every change point of every field, oldest first."""

    timeline: Timeline
    fields: Mapping[str, tuple[ChangePoint, ...]] = {}

    @property
    def etag(self) -> str:
        """The version that If-Match compares: the last event, and how many change points are due."""
        return f'"{self.timeline.last_event_id}.{self.timeline.change_points}"'

    def at(self, field: str, instant: datetime) -> Value:
        """Return what the field holds at the instant; None when nothing was asserted by then."""
        for point in reversed(self.fields.get(field, ())):
            if point.effective_at <= instant:
                return point.value
        return None

    def last_asserted(self, field: str) -> datetime | None:
        """Return the last instant at which the field was asserted."""
        points = self.fields.get(field)
        return points[-1].effective_at if points else None


def initial(entity_uid: UUID) -> Entity:
    """Return an entity nothing is known about."""
    return Entity(Timeline(entity_uid=entity_uid))


def evolve(entity: Entity, recorded: Recorded) -> Entity:
    """Return the entity after one more of its events; the timeline part of it by the shared fold."""
    return evolve_all(entity, [recorded])


def evolve_all(entity: Entity, events: Iterable[Recorded]) -> Entity:
    """Return the entity after some more of its events, in time that follows their number."""
    timeline = entity.timeline
    added: defaultdict[str, list[ChangePoint]] = defaultdict(list)
    for recorded in events:
        timeline, _ = fold(timeline, recorded)
        for field, value in assertions(recorded.event).items():  # type: ignore[arg-type]  # fold refused all others
            added[field].append(ChangePoint(recorded.effective_at, value))
    points = {field: (*entity.fields.get(field, ()), *more) for field, more in added.items()}
    return Entity(timeline, {**entity.fields, **points})


# --- commands ------------------------------------------------------------------------------------------------------


class Register(Struct, frozen=True, kw_only=True):
    """Make an entity known, from effective_at on (now when absent)."""

    display_name: str
    entity_type: str
    details: Mapping[str, str] = {}
    effective_at: datetime | None = None


class Revise(Struct, frozen=True, kw_only=True):
    """Assert what is given, leave what is not; a detail of None is removed."""

    display_name: str | UnsetType = UNSET
    entity_type: str | UnsetType = UNSET
    details: Mapping[str, str | None] = {}
    effective_at: datetime | None = None


class Replace(Struct, frozen=True, kw_only=True):
    """Assert the whole: details that are not listed end."""

    display_name: str
    entity_type: str
    details: Mapping[str, str] = {}
    effective_at: datetime | None = None


class Retire(Struct, frozen=True, kw_only=True):
    """The entity exists no longer."""

    effective_at: datetime | None = None


class Reopen(Struct, frozen=True, kw_only=True):
    """The entity exists again, with what it had unless other values are given."""

    display_name: str | UnsetType = UNSET
    entity_type: str | UnsetType = UNSET
    details: Mapping[str, str | None] = {}
    effective_at: datetime | None = None


Command = Register | Revise | Replace | Retire | Reopen


# --- decide --------------------------------------------------------------------------------------------------------


def decide(entity: Entity, command: Command, *, registry: Registry, now: datetime) -> list[EntityEvent]:
    """Return what the command makes happen: one event, or none when all is so already.

    Raises Invalid for a type that refuses use and for an instant that is not supported yet; AlreadyRegistered,
    Unknown, Retired, NotYet, AlreadyOpen where the entity's own state is against it.
    """
    at = command.effective_at or now
    _check_codes(command, registry)
    event: EntityEvent | None
    match command:
        case Register():
            event = _register(entity, command)
        case Revise():
            _must_exist(entity, at)
            event = _revision(entity, command, at)
        case Replace():
            _must_exist(entity, at)
            event = _revision(entity, _as_revision(entity, command, at), at)
        case Retire():
            event = None if _asserted_again(entity, EXISTS, False, command.effective_at) else EntityRetired()
            if event is not None:
                _must_exist(entity, at)
        case Reopen():
            event = _reopening(entity, command, at)
        case _:
            assert_never(command)
    if event is None:
        return []
    _check_types(entity, event, registry, at)
    _check_instant(entity, event, command.effective_at, now)
    return [event]


def _register(entity: Entity, command: Register) -> EntityRegistered | None:
    """Return the registration, None when it was made before with the same content."""
    timeline = entity.timeline
    wanted = EntityRegistered(command.display_name, command.entity_type, dict(command.details))
    if timeline.version == 0:
        return wanted
    if not timeline.exists:
        raise Retired(timeline.entity_uid, entity.fields[EXISTS][-1].effective_at)
    first = {field: points[0] for field, points in entity.fields.items()}
    registered_at = first[EXISTS].effective_at
    registered = {field: point.value for field, point in first.items() if point.effective_at == registered_at}
    if registered == assertions(wanted) and command.effective_at in {None, registered_at}:
        return None
    raise AlreadyRegistered("entity", str(timeline.entity_uid))


def _revision(entity: Entity, command: Revise, at: datetime) -> EntityRevised | None:
    """Return the revision that carries only what it asserts, None when nothing is left of it."""
    wanted = assertions(EntityRevised(command.display_name, command.entity_type, dict(command.details)))
    left = {field: value for field, value in wanted.items() if not _holds(entity, field, value, command, at)}
    return EntityRevised(**_as_event_fields(left)) if left else None


def _holds(entity: Entity, field: str, value: Value, command: Revise | Reopen, at: datetime) -> bool:
    """Say whether asserting the value would tell the entity nothing new."""
    if command.effective_at is None:
        return entity.at(field, at) == value
    return _asserted_again(entity, field, value, command.effective_at)


def _asserted_again(entity: Entity, field: str, value: Value, effective_at: datetime | None) -> bool:
    """Say whether the very same dated assertion stands already."""
    return effective_at is not None and ChangePoint(effective_at, value) in entity.fields.get(field, ())


def _as_revision(entity: Entity, command: Replace, at: datetime) -> Revise:
    """Return the revision that makes the entity what the command says: what is not listed and is there, ends."""
    codes = {field.removeprefix(DETAILS) for field in entity.fields if field.startswith(DETAILS)}
    gone = {code: None for code in codes - command.details.keys() if entity.at(DETAILS + code, at) is not None}
    return Revise(
        display_name=command.display_name,
        entity_type=command.entity_type,
        details={**command.details, **gone},
        effective_at=command.effective_at,
    )


def _reopening(entity: Entity, command: Reopen, at: datetime) -> EntityReopened | None:
    if entity.timeline.version == 0:
        raise Unknown("entity")
    wanted = EntityReopened(command.display_name, command.entity_type, dict(command.details))
    if command.effective_at is not None and all(
        _asserted_again(entity, field, value, command.effective_at) for field, value in assertions(wanted).items()
    ):
        return None
    starts = entity.fields[EXISTS][0].effective_at
    if at < starts:
        raise not_supported_yet("effective_at", "An earlier start")
    if entity.at(EXISTS, at) is True:
        raise AlreadyOpen(entity.timeline.entity_uid)
    left = {
        field: value
        for field, value in assertions(wanted).items()
        if field != EXISTS and not _holds(entity, field, value, command, at)
    }
    return EntityReopened(**_as_event_fields(left))


def _as_event_fields(asserted: Mapping[str, Value]) -> dict[str, Any]:
    """Return the assertions as the fields of an event."""
    fields: dict[str, Any] = {field: asserted[field] for field in (DISPLAY_NAME, ENTITY_TYPE) if field in asserted}
    fields["details"] = {f.removeprefix(DETAILS): v for f, v in asserted.items() if f.startswith(DETAILS)}
    return fields


def _must_exist(entity: Entity, at: datetime) -> None:
    points = entity.fields.get(EXISTS, ())
    if not points:
        raise Unknown("entity")
    if at < points[0].effective_at:
        raise NotYet(entity.timeline.entity_uid, points[0].effective_at)
    last = max((p for p in points if p.effective_at <= at), key=lambda p: p.effective_at)
    if last.value is not True:
        raise Retired(entity.timeline.entity_uid, last.effective_at)


def _check_codes(command: Command, registry: Registry) -> None:
    """Raise Invalid where a command removes a detail of a type that was never registered: nothing can have it."""
    details: Mapping[str, str | None] = {} if isinstance(command, Retire) else command.details
    removed = [code for code, value in details.items() if value is None]
    unknown = sorted(code for code in removed if (Kind.DETAIL, code) not in registry.types)
    if unknown:
        raise Invalid([FieldError("details", f"Unknown detail type: {code}.", "unknown_type") for code in unknown])


def _check_types(entity: Entity, event: EntityEvent, registry: Registry, at: datetime) -> None:
    """Raise Invalid where a type is put to new use that is unknown, or closed to it."""
    asserted = assertions(event)
    errors: list[FieldError] = []
    entity_type = asserted.get(ENTITY_TYPE)
    is_new = entity_type != entity.at(ENTITY_TYPE, at)
    if isinstance(entity_type, str) and is_new and not registry.is_active(Kind.ENTITY, entity_type):
        errors.append(FieldError("entity_type", f"Unknown or inactive entity type: {entity_type}.", "unknown_type"))
    for field, value in asserted.items():
        code = field.removeprefix(DETAILS)
        is_new = field.startswith(DETAILS) and value is not None and entity.at(field, at) is None
        if is_new and not registry.is_active(Kind.DETAIL, code):
            errors.append(FieldError("details", f"Unknown or inactive detail type: {code}.", "unknown_type"))
    if errors:
        raise Invalid(errors)


def _check_instant(entity: Entity, event: EntityEvent, effective_at: datetime | None, now: datetime) -> None:
    """Raise Invalid for a dated change in the future, or not later than what is asserted about the same fields."""
    if effective_at is None:
        return
    if effective_at > now:
        raise not_supported_yet("effective_at", "A change in the future")
    asserted = assertions(event)
    groups = {EXISTS, *asserted}
    if not asserted.keys().isdisjoint((EXISTS, DISPLAY_NAME, ENTITY_TYPE)):
        groups |= {DISPLAY_NAME, ENTITY_TYPE}
    if EXISTS in asserted:
        groups |= entity.fields.keys()
    for field in sorted(groups):
        bound = entity.last_asserted(field)
        if bound is not None and effective_at <= bound:
            raise not_supported_yet("effective_at", f"A change of {field} at or before its last one")
