"""decide: which commands on an entity are accepted, what they make happen, and when nothing changes."""

from __future__ import annotations

from datetime import datetime

import pytest

from shared.core.errors import AlreadyOpen, AlreadyRegistered, Invalid, NotYet, Retired, Unknown
from shared.core.events import (
    EntityEvent,
    EntityRegistered,
    EntityReopened,
    EntityRetired,
    EntityRevised,
    Kind,
    TypeActivated,
    TypeDeactivated,
)
from tests.given import JOHN, UID, dated, day, given, replace_john
from write_side import known
from write_side.entity import Command, Register, Reopen, Replace, Retire, Revise

REGISTER_JOHN = Register(display_name="John", entity_type="PERSON", details={"EMAIL": "john@example.com"})
NO_PERSONS = TypeDeactivated(Kind.ENTITY, "PERSON")
NO_EMAILS = TypeDeactivated(Kind.DETAIL, "EMAIL")


# --- register ------------------------------------------------------------------------------------------------------


def test_registering_an_entity() -> None:
    given().when(REGISTER_JOHN).then(JOHN)


def test_an_entity_may_be_registered_from_an_instant_in_the_past_on() -> None:
    state = (
        given()
        .when(Register(display_name="John", entity_type="PERSON", effective_at=day(1)))
        .then(EntityRegistered("John", "PERSON"))
    )
    assert known.exists(state.recorded().entity, day(1))


def test_the_same_uid_with_the_same_content_changes_nothing() -> None:
    given(JOHN).when(REGISTER_JOHN).then()


def test_the_same_uid_with_the_content_of_its_registration_changes_nothing_even_after_a_revision() -> None:
    given(JOHN, EntityRevised(display_name="Jane", details={"PHONE": "1"})).when(REGISTER_JOHN).then()


@pytest.mark.parametrize(
    "command",
    [
        Register(display_name="Jane", entity_type="PERSON", details={"EMAIL": "john@example.com"}),
        Register(display_name="John", entity_type="INSTITUTION", details={"EMAIL": "john@example.com"}),
        Register(display_name="John", entity_type="PERSON"),
        Register(display_name="John", entity_type="PERSON", details={"EMAIL": "john@example.com", "PHONE": "1"}),
        Register(display_name="John", entity_type="PERSON", details={"EMAIL": "john@example.com"}, effective_at=day(2)),
    ],
    ids=["name", "type", "fewer details", "more details", "another instant"],
)
def test_the_same_uid_with_other_content_is_refused(command: Register) -> None:
    given(dated(day(1), JOHN)).when(command).then_raises(AlreadyRegistered, what="entity", key=str(UID))


def test_a_retired_uid_is_not_registered_again() -> None:
    given(JOHN, dated(day(102), EntityRetired())).when(REGISTER_JOHN).then_raises(Retired, since=day(102))


# --- what must be so -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", [Revise(display_name="A"), replace_john(), Retire(), Reopen()])
def test_an_entity_that_was_never_registered_is_unknown(command: Command) -> None:
    given().when(command).then_raises(Unknown)


@pytest.mark.parametrize("command", [Revise(display_name="A"), Revise(), replace_john(), Retire()])
def test_a_retired_entity_cannot_be_changed(command: Command) -> None:
    given(JOHN, EntityRetired()).when(command).then_raises(Retired, entity_uid=UID, since=day(102))


@pytest.mark.parametrize(
    "command",
    [
        Revise(display_name="A", effective_at=day(4)),
        replace_john(effective_at=day(4)),
        Retire(effective_at=day(4)),
    ],
)
def test_an_entity_cannot_be_changed_before_it_exists(command: Command) -> None:
    given(dated(day(5), JOHN)).when(command).then_raises(NotYet, entity_uid=UID, starts=day(5))


def test_what_exists_cannot_be_reopened() -> None:
    given(JOHN).when(Reopen()).then_raises(AlreadyOpen, entity_uid=UID)


# --- revise --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("command", "event"),
    [
        (Revise(display_name="Jane"), EntityRevised(display_name="Jane")),
        (Revise(display_name="Jane", entity_type="PERSON"), EntityRevised(display_name="Jane")),
        (Revise(display_name="John", entity_type="INSTITUTION"), EntityRevised(entity_type="INSTITUTION")),
        (Revise(details={"EMAIL": "john@example.com", "PHONE": "1"}), EntityRevised(details={"PHONE": "1"})),
        (Revise(details={"EMAIL": None, "PHONE": None}), EntityRevised(details={"EMAIL": None})),
        (Revise(display_name="john"), EntityRevised(display_name="john")),
    ],
)
def test_a_revision_carries_only_what_changes(command: Revise, event: EntityEvent) -> None:
    given(JOHN).when(command).then(event)


@pytest.mark.parametrize(
    "command",
    [
        Revise(),
        Revise(display_name="John"),
        Revise(display_name="John", entity_type="PERSON", details={"EMAIL": "john@example.com"}),
        Revise(details={"PHONE": None}),
        Revise(effective_at=day(200)),
    ],
)
def test_equal_content_without_a_date_changes_nothing(command: Revise) -> None:
    given(JOHN).when(command).then()


# --- replace -------------------------------------------------------------------------------------------------------


def test_replacing_ends_what_is_not_listed() -> None:
    given(JOHN).when(replace_john(details={"PHONE": "1"})).then(EntityRevised(details={"PHONE": "1", "EMAIL": None}))


def test_replacing_does_not_end_what_has_ended() -> None:
    given(JOHN, EntityRevised(details={"EMAIL": None})).when(replace_john("Jane", {})).then(
        EntityRevised(display_name="Jane")
    )


def test_replacing_with_what_is_there_changes_nothing() -> None:
    given(JOHN).when(replace_john()).then()


def test_a_dated_replacement_ends_what_held_at_its_instant() -> None:
    history = (dated(day(1), JOHN), dated(day(5), EntityRevised(details={"PHONE": "1"})))
    given(*history).when(replace_john("Jane", {}, day(3))).then(
        EntityRevised(display_name="Jane", entity_type="PERSON", details={"EMAIL": None})
    )


# --- retire and reopen ---------------------------------------------------------------------------------------------


def test_retiring() -> None:
    given(JOHN).when(Retire()).then(EntityRetired())


def test_reopening_says_only_that_it_exists_again() -> None:
    given(JOHN, EntityRetired()).when(Reopen()).then(EntityReopened())


def test_reopening_carries_only_what_differs_from_what_went_on_underneath() -> None:
    command = Reopen(display_name="John", entity_type="PERSON", details={"EMAIL": None, "PHONE": None})
    given(JOHN, EntityRetired()).when(command).then(EntityReopened(details={"EMAIL": None}))


def test_a_reopened_entity_can_be_changed() -> None:
    given(JOHN, EntityRetired(), EntityReopened()).when(Revise(display_name="Jane")).then(
        EntityRevised(display_name="Jane")
    )


# --- types ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", ["TRUST", "GHOST", "EMAIL", "person", ""])
def test_an_entity_type_that_is_unknown_or_inactive_refuses_new_use(code: str) -> None:
    given().when(Register(display_name="A", entity_type=code)).then_refuses("entity_type", "unknown_type")
    given(JOHN).when(Revise(entity_type=code)).then_refuses("entity_type", "unknown_type")
    given(JOHN).when(Replace(display_name="A", entity_type=code)).then_refuses("entity_type", "unknown_type")
    given(JOHN, EntityRetired()).when(Reopen(entity_type=code)).then_refuses("entity_type", "unknown_type")


@pytest.mark.parametrize("code", ["FAX", "GHOST", "PERSON", "phone", ""])
def test_a_detail_type_that_is_unknown_or_inactive_refuses_new_use(code: str) -> None:
    added = {code: "1"}
    given().when(Register(display_name="A", entity_type="PERSON", details=added)).then_refuses(
        "details", "unknown_type"
    )
    given(JOHN).when(Revise(details=added)).then_refuses("details", "unknown_type")
    given(JOHN).when(replace_john(details=added)).then_refuses("details", "unknown_type")
    given(JOHN, EntityRetired()).when(Reopen(details=added)).then_refuses("details", "unknown_type")


def test_every_type_that_is_refused_is_named() -> None:
    outcome = given().when(
        Register(display_name="A", entity_type="TRUST", details={"EMAIL": "a", "FAX": "1", "X": "2"})
    )
    assert isinstance(outcome.error, Invalid)
    assert [error.message for error in outcome.error.errors] == [
        "Unknown or inactive entity type: TRUST.",
        "Unknown or inactive detail type: FAX.",
        "Unknown or inactive detail type: X.",
    ]


@pytest.mark.parametrize("at", [None, day(50)])
def test_an_entity_whose_type_was_deactivated_can_still_be_changed_otherwise(at: datetime | None) -> None:
    john = given(dated(day(1), JOHN)).but(NO_PERSONS)
    assert john.when(Revise(display_name="A", effective_at=at)).events
    assert john.when(Revise(display_name="A", entity_type="PERSON", effective_at=at)).events
    assert john.when(replace_john("A", effective_at=at)).events
    assert john.when(Revise(details={"PHONE": "1"}, effective_at=at)).events
    assert john.when(Retire(effective_at=at)).events


@pytest.mark.parametrize("at", [None, day(50)])
def test_an_entity_whose_type_was_deactivated_can_be_reopened(at: datetime | None) -> None:
    retired = given(dated(day(1), JOHN), dated(day(5), EntityRetired())).but(NO_PERSONS)
    assert retired.when(Reopen(effective_at=at)).events
    assert retired.when(Reopen(entity_type="PERSON", effective_at=at)).events


def test_taking_on_a_deactivated_type_again_is_new_use() -> None:
    was_person = given(JOHN, EntityRevised(entity_type="INSTITUTION")).but(NO_PERSONS)
    was_person.when(Revise(entity_type="PERSON")).then_refuses("entity_type", "unknown_type")


@pytest.mark.parametrize("at", [None, day(50)])
def test_a_detail_of_a_deactivated_type_can_be_changed_and_removed(at: datetime | None) -> None:
    john = given(dated(day(1), JOHN)).but(NO_EMAILS)
    john.when(Revise(details={"EMAIL": "new"}, effective_at=at)).then(EntityRevised(details={"EMAIL": "new"}))
    john.when(Revise(details={"EMAIL": None}, effective_at=at)).then(EntityRevised(details={"EMAIL": None}))


def test_adding_a_detail_of_a_deactivated_type_again_after_it_ended_is_new_use() -> None:
    ended = given(JOHN, EntityRevised(details={"EMAIL": None})).but(NO_EMAILS)
    ended.when(Revise(details={"EMAIL": "john@example.com"})).then_refuses("details", "unknown_type")


def test_what_changes_nothing_is_not_asked_about_its_types() -> None:
    john = given(JOHN).but(NO_PERSONS, NO_EMAILS)
    john.when(REGISTER_JOHN).then()
    john.when(replace_john()).then()
    john.when(Revise(details={"FAX": None})).then()


def test_removing_a_detail_of_a_type_that_never_was_is_a_mistake() -> None:
    for command in (Revise(details={"GHOST": None}), Revise(details={"GHOST": None}, effective_at=day(5))):
        given(JOHN).when(command).then_refuses("details", "unknown_type")


def test_a_type_that_is_activated_again_is_open_to_new_use() -> None:
    given().but(NO_PERSONS, TypeActivated(Kind.ENTITY, "PERSON")).when(REGISTER_JOHN).then(JOHN)
