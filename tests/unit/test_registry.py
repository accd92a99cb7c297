"""The registry of types: registered once, changed by what differs, closed to new use and opened again."""

from __future__ import annotations

import pytest
from msgspec import UNSET

from shared.core.errors import AlreadyRegistered, CannotFold, Unknown
from shared.core.events import (
    EntityRetired,
    Kind,
    RegistryEvent,
    TypeActivated,
    TypeChanged,
    TypeDeactivated,
    TypeRegistered,
)
from tests.given import TYPES, day, record, registry_of
from write_side.registry import ChangeType, RegisterType, Registry, RegistryCommand, TypeState, decide, evolve

EMAIL = TypeRegistered(Kind.DETAIL, "EMAIL", "E-mail", "where to write to")
CLOSED = TypeDeactivated(Kind.DETAIL, "EMAIL")


def test_a_registered_type_is_active() -> None:
    registry = registry_of(EMAIL)
    assert registry.types == {(Kind.DETAIL, "EMAIL"): TypeState("EMAIL", "E-mail", "where to write to", is_active=True)}
    assert registry.is_active(Kind.DETAIL, "EMAIL")


def test_entity_types_and_detail_types_do_not_share_codes() -> None:
    assert not registry_of(EMAIL).is_active(Kind.ENTITY, "EMAIL")
    assert decide(registry_of(EMAIL), RegisterType(Kind.ENTITY, "EMAIL", "E-mail")) == [
        TypeRegistered(Kind.ENTITY, "EMAIL", "E-mail")
    ]


def test_an_unknown_type_is_not_active() -> None:
    assert not Registry().is_active(Kind.DETAIL, "EMAIL")


def test_a_deactivated_type_is_not_active_until_it_is_activated() -> None:
    assert not registry_of(EMAIL, CLOSED).is_active(Kind.DETAIL, "EMAIL")
    assert registry_of(EMAIL, CLOSED, TypeActivated(Kind.DETAIL, "EMAIL")).is_active(Kind.DETAIL, "EMAIL")


def test_a_change_leaves_what_it_does_not_speak_of() -> None:
    registry = registry_of(EMAIL, CLOSED, TypeChanged(Kind.DETAIL, "EMAIL", name="Mail"))
    assert registry.types[Kind.DETAIL, "EMAIL"] == TypeState("EMAIL", "Mail", "where to write to", is_active=False)


def test_the_registry_remembers_its_last_event() -> None:
    registry = registry_of(*TYPES)
    assert (registry.version, registry.last_event_id) == (len(TYPES), record(TYPES[-1], len(TYPES), day(1)).event_id)


def test_registering_a_new_type() -> None:
    command = RegisterType(Kind.DETAIL, "EMAIL", "E-mail", "where to write to")
    assert decide(Registry(), command) == [EMAIL]


def test_registering_an_inactive_type_registers_then_deactivates_it() -> None:
    command = RegisterType(Kind.DETAIL, "EMAIL", "E-mail", "where to write to", is_active=False)
    assert decide(Registry(), command) == [EMAIL, CLOSED]


@pytest.mark.parametrize(
    "command",
    [
        RegisterType(Kind.DETAIL, "EMAIL", "Mail", "where to write to"),
        RegisterType(Kind.DETAIL, "EMAIL", "E-mail", ""),
        RegisterType(Kind.DETAIL, "EMAIL", "E-mail", "where to write to", is_active=False),
    ],
)
def test_a_code_that_is_registered_with_other_content_is_refused(command: RegisterType) -> None:
    with pytest.raises(AlreadyRegistered) as refusal:
        decide(registry_of(EMAIL), command)
    assert str(refusal.value) == "The detail type EMAIL is registered already, with other content."


def test_only_what_differs_is_changed() -> None:
    command = ChangeType(Kind.DETAIL, "EMAIL", name="Mail", description="where to write to")
    assert decide(registry_of(EMAIL), command) == [TypeChanged(Kind.DETAIL, "EMAIL", name="Mail")]


def test_a_description_can_be_emptied() -> None:
    command = ChangeType(Kind.DETAIL, "EMAIL", description="")
    assert decide(registry_of(EMAIL), command) == [TypeChanged(Kind.DETAIL, "EMAIL", UNSET, "")]


def test_one_command_can_change_and_deactivate() -> None:
    command = ChangeType(Kind.DETAIL, "EMAIL", name="Mail", is_active=False)
    assert decide(registry_of(EMAIL), command) == [TypeChanged(Kind.DETAIL, "EMAIL", name="Mail"), CLOSED]


def test_an_inactive_type_can_be_changed_and_activated() -> None:
    command = ChangeType(Kind.DETAIL, "EMAIL", name="Mail", is_active=True)
    assert decide(registry_of(EMAIL, CLOSED), command) == [
        TypeChanged(Kind.DETAIL, "EMAIL", name="Mail"),
        TypeActivated(Kind.DETAIL, "EMAIL"),
    ]


def test_an_unknown_type_cannot_be_changed() -> None:
    with pytest.raises(Unknown):
        decide(registry_of(EMAIL), ChangeType(Kind.ENTITY, "EMAIL", name="Mail"))


@pytest.mark.parametrize(
    "command",
    [
        RegisterType(Kind.DETAIL, "PHONE", "Phone"),
        RegisterType(Kind.DETAIL, "PHONE", "Phone", is_active=False),
        ChangeType(Kind.DETAIL, "EMAIL"),
        ChangeType(Kind.DETAIL, "EMAIL", name="Mail", description="", is_active=False),
        ChangeType(Kind.DETAIL, "EMAIL", name="E-mail", is_active=True),
    ],
)
def test_a_command_that_was_accepted_changes_nothing_when_repeated(command: RegistryCommand) -> None:
    followed: list[RegistryEvent] = [EMAIL, *decide(registry_of(EMAIL), command)]
    assert decide(registry_of(*followed), command) == []


def test_an_event_of_an_entity_cannot_be_folded() -> None:
    with pytest.raises(CannotFold, match="EntityRetired is no event of the registry"):
        evolve(Registry(), record(EntityRetired(), 1, day(1)))


@pytest.mark.parametrize("event", [TypeChanged(Kind.ENTITY, "EMAIL"), TypeActivated(Kind.ENTITY, "EMAIL"), CLOSED])
def test_an_event_about_a_type_that_was_never_registered_cannot_be_folded(event: RegistryEvent) -> None:
    with pytest.raises(CannotFold, match="Event 1 cannot be folded"):
        evolve(Registry(), record(event, 1, day(1)))


def test_a_type_cannot_be_registered_twice_in_the_log() -> None:
    with pytest.raises(CannotFold):
        evolve(registry_of(EMAIL), record(EMAIL, 2, day(2)))
