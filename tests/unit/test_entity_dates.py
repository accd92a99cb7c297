"""decide: changes with a date of their own. They go forward only, for now; what is refused is refused by name."""

from __future__ import annotations

from datetime import datetime

import pytest

from shared.core.errors import AlreadyOpen
from shared.core.events import EntityEvent, EntityReopened, EntityRetired, EntityRevised
from tests.given import JOHN, dated, day, given, replace_john
from write_side.entity import Command, Register, Reopen, Replace, Retire, Revise

MARRIED = EntityRevised(display_name="John Smith")


@pytest.mark.parametrize(
    "command",
    [
        Revise(display_name="A", effective_at=day(200)),
        Revise(display_name="John", effective_at=day(200)),
        replace_john(effective_at=day(200)),
        Retire(effective_at=day(200)),
    ],
)
def test_a_change_in_the_future_is_not_supported_yet(command: Command) -> None:
    given(JOHN).when(command).then_refuses("effective_at", "not_supported_yet")


def test_neither_a_registration_nor_a_reopening_in_the_future_is_supported_yet() -> None:
    future = Register(display_name="A", entity_type="PERSON", effective_at=day(200))
    given().when(future).then_refuses("effective_at", "not_supported_yet")
    given(JOHN, EntityRetired()).when(Reopen(effective_at=day(200))).then_refuses("effective_at", "not_supported_yet")


@pytest.mark.parametrize("at", [day(4), day(5)])
@pytest.mark.parametrize(
    ("last", "command"),
    [
        (MARRIED, Revise(display_name="A")),
        (MARRIED, Revise(entity_type="INSTITUTION")),
        (MARRIED, Retire()),
        (EntityRevised(details={"EMAIL": "a"}), Revise(details={"EMAIL": "b"})),
        (EntityRevised(details={"EMAIL": "a"}), replace_john(details={"EMAIL": "b"})),
        (EntityRevised(details={"PHONE": "1"}), Retire()),
        (EntityRevised(details={"EMAIL": None}), Retire()),
    ],
)
def test_a_change_at_or_before_the_last_one_of_what_it_touches_is_not_supported_yet(
    last: EntityEvent, command: Revise | Replace | Retire, at: datetime
) -> None:
    past = type(command)(**{**{f: getattr(command, f) for f in command.__struct_fields__}, "effective_at": at})
    given(dated(day(1), JOHN), dated(day(5), last)).when(past).then_refuses("effective_at", "not_supported_yet")


def test_a_change_of_anything_at_the_very_start_of_existence_is_not_supported_yet() -> None:
    command = Revise(details={"PHONE": "1"}, effective_at=day(1))
    given(dated(day(1), JOHN)).when(command).then_refuses("effective_at", "not_supported_yet")


def test_an_earlier_start_and_a_reopening_between_are_not_supported_yet() -> None:
    retired = (dated(day(5), JOHN), dated(day(10), EntityRetired()))
    given(*retired).when(Reopen(effective_at=day(4))).then_refuses("effective_at", "not_supported_yet")
    reopened = given(*retired, dated(day(20), EntityReopened()), dated(day(30), EntityRetired()))
    reopened.when(Reopen(effective_at=day(12))).then_refuses("effective_at", "not_supported_yet")
    reopened.when(Reopen(effective_at=day(8))).then_raises(AlreadyOpen)


def test_a_change_before_the_last_one_of_another_group_is_accepted() -> None:
    history = (dated(day(1), JOHN), dated(day(9), MARRIED))
    given(*history).when(Revise(details={"EMAIL": "a"}, effective_at=day(5))).then(
        EntityRevised(details={"EMAIL": "a"})
    )


def test_the_same_dated_assertion_again_changes_nothing() -> None:
    history = (dated(day(1), JOHN), dated(day(5), MARRIED))
    given(*history).when(Revise(display_name="John Smith", effective_at=day(5))).then()


def test_the_same_value_at_a_new_later_instant_is_recorded() -> None:
    history = (dated(day(1), JOHN), dated(day(5), MARRIED))
    given(*history).when(Revise(display_name="John Smith", effective_at=day(6))).then(MARRIED)


def test_the_same_value_at_a_new_later_instant_is_recorded_on_reopening_too() -> None:
    command = Reopen(display_name="John", details={"PHONE": None}, effective_at=day(6))
    given(dated(day(1), JOHN), dated(day(5), EntityRetired())).when(command).then(
        EntityReopened(display_name="John", details={"PHONE": None})
    ).and_again().then()
