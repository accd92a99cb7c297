"""How a test tells a rule of decide: given these events, when this command comes, then these events follow.

Time and ids are made up: day(1) is 2024-01-01; what is given was recorded on day 101, 102, …, one event a day, and
the command comes on the day after. Event n has the id UUID(int=n).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import reduce
from typing import Any
from uuid import UUID

from shared.core.errors import CockpitError, Invalid
from shared.core.events import (
    REGISTRY_STREAM,
    Context,
    EntityEvent,
    EntityRegistered,
    Event,
    Kind,
    Metadata,
    Recorded,
    RegistryEvent,
    TypeDeactivated,
    TypeRegistered,
    Until,
    entity_stream,
)
from write_side import entity as entities
from write_side import registry as registries
from write_side.entity import Command, Entity, Replace
from write_side.registry import Registry

UID = UUID("018f0000-0000-7000-8000-000000000001")
JOHN = EntityRegistered("John", "PERSON", {"EMAIL": "john@example.com"})


def replace_john(
    name: str = "John", details: dict[str, str] | None = None, effective_at: datetime | None = None
) -> Replace:
    """Return the command that makes JOHN what he is already, but for what is given."""
    listed = JOHN.details if details is None else details
    return Replace(display_name=name, entity_type="PERSON", details=listed, effective_at=effective_at)


def day(number: int) -> datetime:
    """Return midnight of a day, counted from 2024-01-01 as 1."""
    return datetime(2023, 12, 31, tzinfo=UTC) + timedelta(days=number)


class FakeClock:
    """Stands still until it is told to tick."""

    def __init__(self, now: datetime) -> None:
        self.now = now

    def tick(self, by: timedelta = timedelta(days=1)) -> datetime:
        self.now += by
        return self.now


@dataclass(frozen=True)
class Dated:
    """An event that carried an effective_at of its own, and perhaps a bound."""

    event: EntityEvent
    effective_at: datetime
    effective_until: Until = None


def dated(effective_at: datetime, event: EntityEvent, effective_until: Until = None) -> Dated:
    return Dated(event, effective_at, effective_until)


def record(
    event: Event,
    version: int,
    recorded_at: datetime,
    effective_at: datetime | None = None,
    *,
    position: int = 0,
    effective_until: Until = None,
) -> Recorded:
    """Return the event as the log would have it; its position is its version unless another is given."""
    is_entity = isinstance(event, EntityEvent)
    return Recorded(
        position=position or version,
        event_id=UUID(int=position or version),
        stream=entity_stream(UID) if is_entity else REGISTRY_STREAM,
        version=version,
        event=event,
        effective_at=effective_at or recorded_at,
        effective_until=effective_until,
        recorded_at=recorded_at,
        context=Context(ip_address="192.0.2.1"),
        metadata=Metadata(actor="user_1", request_id=f"request-{position or version}"),
    )


def registry_of(*events: Event) -> Registry:
    """Return the registry after these events, one a day from day 1 on."""
    recorded = (record(event, version, day(version)) for version, event in enumerate(events, start=1))
    return reduce(registries.evolve, recorded, Registry())


TYPES: tuple[RegistryEvent, ...] = (
    *(TypeRegistered(Kind.ENTITY, code, code.title()) for code in ("PERSON", "INSTITUTION", "TRUST")),
    *(TypeRegistered(Kind.DETAIL, code, code.title()) for code in ("EMAIL", "PHONE", "FAX")),
    TypeDeactivated(Kind.ENTITY, "TRUST"),
    TypeDeactivated(Kind.DETAIL, "FAX"),
)
REGISTRY = registry_of(*TYPES)
"""PERSON, INSTITUTION, EMAIL and PHONE are active, TRUST and FAX are not."""


@dataclass(frozen=True)
class Given:
    """An entity with a history, and the instant at which the next command comes."""

    entity: Entity
    now: datetime
    registry: Registry = REGISTRY

    def after(self, event: EntityEvent, effective_at: datetime | None = None, effective_until: Until = None) -> Given:
        """Return the same a day later, with one more event recorded at the old now."""
        version = self.entity.version + 1
        recorded = record(event, version, self.now, effective_at, effective_until=effective_until)
        return Given(entities.evolve(self.entity, recorded), FakeClock(self.now).tick(), self.registry)

    def but(self, *events: Event) -> Given:
        """Return the same with a registry that went on by these events."""
        return Given(self.entity, self.now, registry_of(*TYPES, *events))

    def decide(self, command: Command) -> list[EntityEvent]:
        return entities.decide(self.entity, command, registry=self.registry, now=self.now)

    def when(self, command: Command) -> Outcome:
        try:
            return Outcome(self, command, self.decide(command), None)
        except CockpitError as error:
            return Outcome(self, command, [], error)


@dataclass(frozen=True)
class Outcome:
    """What a command led to: events, or the error it was refused with."""

    given: Given
    command: Command
    events: list[EntityEvent]
    error: CockpitError | None

    def then(self, *events: EntityEvent) -> Outcome:
        """Assert that just these events follow; none at all: that nothing changes."""
        assert self.error is None, f"refused: {self.error!r}"
        assert self.events == list(events)
        return self

    def then_raises(self, error: type[CockpitError], **data: Any) -> None:
        """Assert that the command is refused with the error, and that it carries this data."""
        assert type(self.error) is error, f"expected {error.__name__}: {self.error!r}, {self.events}"
        assert {name: getattr(self.error, name) for name in data} == data

    def then_refuses(self, field: str, code: str) -> None:
        """Assert that the command is invalid in that one field, for that one reason."""
        assert isinstance(self.error, Invalid), f"expected Invalid: {self.error!r}, {self.events}"
        assert [(e.field, e.code) for e in self.error.errors] == [(field, code)]

    def and_again(self) -> Outcome:
        """Record what followed, then give the same command once more, a day later."""
        return self.recorded().when(self.command)

    def recorded(self) -> Given:
        """Return what is given once the events that followed are recorded."""
        assert self.error is None, f"refused: {self.error!r}"
        at, until = (getattr(self.command, name, None) for name in ("effective_at", "effective_until"))
        return reduce(lambda given, event: given.after(event, at, until), self.events, self.given)


def given(*history: EntityEvent | Dated) -> Given:
    """Return an entity with this history."""
    start = Given(entities.initial(UID), FakeClock(day(100)).tick())
    return reduce(
        lambda state, event: state.after(event.event, event.effective_at, event.effective_until),
        _all_dated(history),
        start,
    )


def _all_dated(history: Iterable[EntityEvent | Dated]) -> Iterable[Any]:
    clock = FakeClock(day(100))
    for event in history:
        recorded_at = clock.tick()
        yield event if isinstance(event, Dated) else Dated(event, recorded_at)
