"""decide: commands with a date of their own, past and future, bounded, overwriting; and what withdraws them."""

from __future__ import annotations

from uuid import UUID

import pytest

from shared.core.errors import (
    AlreadyCancelled,
    AlreadyOpen,
    AlreadyRegistered,
    GivesExistence,
    Nameless,
    NotYet,
    Retired,
    Unknown,
)
from shared.core.events import (
    INFINITY,
    EntityRegistered,
    EntityReopened,
    EntityRetired,
    EntityRevised,
    EventCancelled,
    Until,
)
from tests.given import JOHN, dated, day, given, replace_john
from write_side.entity import Cancel, Command, Register, Reopen, Replace, Retire, Revise, holds_between

MARRIED = EntityRevised(display_name="John Smith")
SINCE_1 = dated(day(1), JOHN)


@pytest.mark.parametrize("at", [day(2), day(5), day(200)])
@pytest.mark.parametrize("until", [None, INFINITY, day(300)])
def test_a_change_may_take_effect_at_any_instant_of_existence(at: object, until: Until) -> None:
    command = Revise(display_name="A", effective_at=at, effective_until=until)  # type: ignore[arg-type]
    given(SINCE_1, dated(day(5), MARRIED)).when(command).then(EntityRevised(display_name="A")).and_again().then()


@pytest.mark.parametrize("until", [day(4), day(5)])
def test_a_bound_is_later_than_its_start(until: Until) -> None:
    command = Revise(display_name="A", effective_at=day(5), effective_until=until)
    given(SINCE_1).when(command).then_refuses("effective_until", "not_after")


def test_a_bound_without_a_start_is_later_than_now() -> None:
    given(SINCE_1).when(Retire(effective_until=day(50))).then_refuses("effective_until", "not_after")


@pytest.mark.parametrize(
    "command", [Revise(display_name="A"), replace_john("A"), Retire(), Revise(details={"EMAIL": None})]
)
def test_nothing_can_be_said_of_a_time_before_existence(command: Command) -> None:
    early = type(command)(**{f: getattr(command, f) for f in command.__struct_fields__} | {"effective_at": day(1)})
    given(dated(day(5), JOHN)).when(early).then_raises(NotYet, starts=day(5))


def test_nothing_can_be_said_of_a_time_of_retirement_and_it_says_since_when() -> None:
    retired = given(SINCE_1, dated(day(5), EntityRetired()), dated(day(9), EntityReopened()))
    retired.when(Revise(display_name="A", effective_at=day(6))).then_raises(Retired, since=day(5))
    retired.when(Revise(display_name="A", effective_at=day(9))).then(EntityRevised(display_name="A"))


def test_a_scheduled_entity_is_not_there_yet() -> None:
    scheduled = given(dated(day(200), JOHN))
    scheduled.when(Revise(display_name="A")).then_raises(NotYet, starts=day(200))
    scheduled.when(Revise(display_name="A", effective_at=day(200))).then(EntityRevised(display_name="A"))


def test_the_same_dated_assertion_again_changes_nothing_unless_a_later_one_touches_its_span() -> None:
    again = Revise(display_name="John Smith", effective_at=day(5))
    history = (SINCE_1, dated(day(5), MARRIED))
    given(*history).when(again).then()
    given(*history, dated(day(9), EntityRevised(display_name="A"))).when(again).then()  # it ends where that begins
    given(*history, dated(day(5), EntityRevised(display_name="A"))).when(again).then(MARRIED)
    given(*history, dated(day(6), EntityRevised(display_name="A"), day(7))).when(again).then(MARRIED)
    given(*history, dated(day(2), EntityRevised(display_name="A"), INFINITY)).when(again).then(MARRIED)
    given(*history, dated(day(2), EntityRevised(display_name="A"), day(5))).when(again).then()


def test_a_bound_makes_it_another_assertion() -> None:
    bounded = Revise(display_name="John Smith", effective_at=day(5), effective_until=day(7))
    given(SINCE_1, dated(day(5), MARRIED)).when(bounded).then(MARRIED).and_again().then()


def test_a_cancelled_assertion_can_be_made_again() -> None:
    history = (SINCE_1, dated(day(5), MARRIED), EventCancelled(UUID(int=2)))
    given(*history).when(Revise(display_name="John Smith", effective_at=day(5))).then(MARRIED)


def test_the_same_value_with_a_date_of_its_own_is_recorded() -> None:
    given(SINCE_1, dated(day(5), MARRIED)).when(Revise(display_name="John Smith", effective_at=day(6))).then(MARRIED)
    command = Reopen(display_name="John", details={"PHONE": None}, effective_at=day(6))
    given(SINCE_1, dated(day(5), EntityRetired())).when(command).then(
        EntityReopened(display_name="John", details={"PHONE": None})
    ).and_again().then()


def test_reopening_what_is_open_at_that_instant_is_refused() -> None:
    history = (dated(day(5), JOHN), dated(day(10), EntityRetired()), dated(day(20), EntityReopened()))
    given(*history).when(Reopen(effective_at=day(8))).then_raises(AlreadyOpen)
    given(*history).when(Reopen(effective_at=day(12))).then(EntityReopened())


def test_an_earlier_start_is_a_reopening_with_name_and_type() -> None:
    late = given(dated(day(5), JOHN))
    late.when(Reopen(effective_at=day(2))).then_raises(Nameless)
    late.when(Reopen(effective_at=day(2), display_name="J")).then_raises(Nameless)
    earlier = Reopen(effective_at=day(2), display_name="J", entity_type="PERSON")
    late.when(earlier).then(EntityReopened("J", "PERSON")).and_again().then()
    given(dated(day(5), JOHN, day(9))).when(Reopen(effective_at=day(20))).then_raises(Nameless)


def test_a_registration_may_be_scheduled_and_said_again() -> None:
    command = Register(display_name="John", entity_type="PERSON", details=JOHN.details, effective_at=day(200))
    given().when(command).then(JOHN).and_again().then()
    other = Register(display_name="John", entity_type="PERSON", details=JOHN.details, effective_at=day(201))
    given(dated(day(200), JOHN)).when(other).then_raises(AlreadyRegistered)


def test_an_event_can_be_cancelled_once_and_a_cancellation_never() -> None:
    married = given(SINCE_1, MARRIED)
    cancelled = married.when(Cancel(event_id=UUID(int=2))).then(EventCancelled(UUID(int=2)))
    cancelled.and_again().then_raises(AlreadyCancelled, event_id=UUID(int=2))
    cancelled.recorded().when(Cancel(event_id=UUID(int=3))).then_refuses("event_id", "unknown_event")
    married.when(Cancel(event_id=UUID(int=9))).then_refuses("event_id", "unknown_event")
    given().when(Cancel(event_id=UUID(int=1))).then_raises(Unknown)


def test_the_registration_can_be_cancelled_only_when_existence_does_not_hang_on_it() -> None:
    cancel = Cancel(event_id=UUID(int=1))
    given(SINCE_1, MARRIED).when(cancel).then_raises(GivesExistence)
    twice = (dated(day(5), JOHN), dated(day(2), EntityReopened("J", "PERSON")))
    given(*twice).when(cancel).then(EventCancelled(UUID(int=1)))
    given(*twice, EventCancelled(UUID(int=1))).when(Cancel(event_id=UUID(int=2))).then_raises(GivesExistence)


def test_what_was_retired_from_its_very_start_on_is_retired() -> None:
    never = given(SINCE_1, dated(day(1), EntityRetired()))
    never.when(Revise(display_name="A")).then_raises(Retired, since=day(1))
    never.when(Reopen()).then(EntityReopened())


def test_no_cancellation_takes_the_name_from_an_existence() -> None:
    history = (dated(day(5), JOHN), dated(day(9), EntityRetired()), dated(day(2), EntityReopened("J", "PERSON")))
    given(*history).when(Cancel(event_id=UUID(int=3))).then(EventCancelled(UUID(int=3)))
    bounded = (dated(day(5), JOHN, day(9)), dated(day(20), EntityReopened("J", "PERSON")), MARRIED)
    given(*bounded).when(Cancel(event_id=UUID(int=3))).then(EventCancelled(UUID(int=3)))


def test_a_retirement_may_be_bounded_and_details_and_values_go_on_after_it() -> None:
    away = given(SINCE_1, dated(day(50), EntityRetired(), day(150)))
    away.when(Revise(display_name="A")).then_raises(Retired, since=day(50))
    away.when(Revise(display_name="A", effective_at=day(150))).then(EntityRevised(display_name="A"))


def test_a_decision_holds_between_two_scheduled_change_points() -> None:
    mail = dated(day(120), EntityRevised(details={"EMAIL": "a"}), day(130))
    scheduled = given(SINCE_1, dated(day(150), MARRIED), mail)
    assert holds_between(scheduled.entity, Retire(), day(110)) == (None, day(120))
    assert holds_between(scheduled.entity, Retire(), day(120)) == (day(120), day(130))
    assert holds_between(scheduled.entity, Retire(effective_until=day(125)), day(121)) == (day(120), day(125))
    assert holds_between(scheduled.entity, Retire(), day(150)) == (day(150), None)


def test_a_type_may_be_registered_for_a_time_alone() -> None:
    passing = EntityRegistered("Pop-up", "PERSON")
    given(dated(day(50), passing, day(90))).when(Revise(display_name="A")).then_raises(Retired, since=day(90))


def test_a_replacement_with_a_bound_is_the_whole_within_it() -> None:
    phone = dated(day(120), EntityRevised(details={"PHONE": "1"}))
    whole = {"display_name": "John", "entity_type": "PERSON", "details": JOHN.details, "effective_at": day(110)}
    said = {"display_name": "John", "entity_type": "PERSON"}
    scheduled = given(SINCE_1, phone)
    without = EntityRevised(**said, details={**JOHN.details, "PHONE": None})
    scheduled.when(Replace(**whole, effective_until=day(130))).then(without)  # type: ignore[arg-type]
    scheduled.when(Replace(**whole, effective_until=INFINITY)).then(without)  # type: ignore[arg-type]
    kept = EntityRevised(**said, details=JOHN.details)  # type: ignore[arg-type]
    scheduled.when(Replace(**whole, effective_until=day(120))).then(kept)  # type: ignore[arg-type]
    scheduled.when(Replace(**whole)).then(kept)  # type: ignore[arg-type]
