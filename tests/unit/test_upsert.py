"""One row is a registration or a revision, and perhaps a claim: each where it is due."""

from __future__ import annotations

from functools import reduce
from uuid import UUID

import pytest
from hypothesis import given as for_all
from hypothesis import strategies as st
from msgspec import UNSET

from shared.core.errors import AlreadyClaimed, Invalid, NotYet, Retired
from shared.core.events import EntityRegistered, EntityRetired, EntityRevised, Event, ExternalKeyClaimed
from tests.given import JOHN, REGISTRY, UID, Given, day, given
from write_side.external_key import ExternalKey, Holder
from write_side.upsert import Upsert, decide

KEY = ExternalKey("crm", "C-1")
CLAIM = ExternalKeyClaimed("crm", "C-1", UID)
HELD = Holder(1, UUID(int=9), UID)
NEW = Upsert(key=KEY, display_name="Ann", entity_type="PERSON", details={"EMAIL": "ann@x.y", "PHONE": None})


def decided(state: Given, holder: Holder, command: Upsert) -> list[Event]:
    return decide(state.entity, holder, command, registry=REGISTRY, now=state.now)


def refused(state: Given, command: Upsert) -> list[tuple[str, str]]:
    with pytest.raises(Invalid) as error:
        decided(state, Holder(), command)
    return [(found.field, found.code) for found in error.value.errors]


def test_what_is_not_known_is_registered_and_its_key_claimed() -> None:
    registered = EntityRegistered("Ann", "PERSON", {"EMAIL": "ann@x.y"})
    assert decided(given(), Holder(), NEW) == [registered, CLAIM]


def test_what_is_known_is_revised_in_what_is_given() -> None:
    assert decided(given(JOHN), HELD, Upsert(key=KEY, display_name="Jon")) == [EntityRevised("Jon")]


def test_equal_content_changes_nothing() -> None:
    command = Upsert(key=KEY, display_name="John", entity_type="PERSON", details={"EMAIL": "john@example.com"})
    assert decided(given(JOHN), HELD, command) == []


def test_a_known_entity_takes_a_key_beside_its_revision_and_alone() -> None:
    command = Upsert(entity_uid=UID, key=KEY, display_name="Jon")
    assert decided(given(JOHN), Holder(), command) == [EntityRevised("Jon"), CLAIM]
    assert decided(given(JOHN), Holder(), Upsert(entity_uid=UID, key=KEY)) == [CLAIM]


def test_a_key_of_another_entity_is_refused_whatever_else_is_given() -> None:
    with pytest.raises(AlreadyClaimed):
        decided(given(), Holder(1, UUID(int=9), UUID(int=3)), NEW)


def test_a_registration_needs_a_name_and_a_type() -> None:
    required = [("display_name", "required"), ("entity_type", "required")]
    assert refused(given(), Upsert(key=KEY)) == required
    assert refused(given(), Upsert(key=KEY, entity_type="PERSON")) == required[:1]


def test_a_detail_to_remove_must_be_of_a_type_there_is() -> None:
    command = Upsert(key=KEY, display_name="Ann", entity_type="PERSON", details={"EMIAL": None})
    assert refused(given(), command) == [("details", "unknown_type")]


def test_a_retired_entity_is_not_brought_back_unasked() -> None:
    with pytest.raises(Retired):
        decided(given(JOHN, EntityRetired()), HELD, Upsert(key=KEY, display_name="Jon"))


@for_all(
    st.builds(
        Upsert,
        entity_uid=st.sampled_from([None, UID]),
        key=st.sampled_from([None, KEY]),
        display_name=st.sampled_from(["Ann", "Bo", UNSET]),
        entity_type=st.sampled_from(["PERSON", UNSET]),
        details=st.dictionaries(st.sampled_from(["EMAIL", "PHONE"]), st.sampled_from(["a", "b", None])),
        effective_at=st.sampled_from([None, day(90), day(101)]),
    )
    .filter(lambda command: command.key or command.entity_uid)
    .filter(lambda command: command.effective_at is None or None not in command.details.values()),
    st.sampled_from([given(), given(JOHN)]),
)
def test_a_row_again_changes_nothing(command: Upsert, state: Given) -> None:
    holder = HELD if state.entity.version and command.key else Holder()
    try:
        events = decided(state, holder, command)
    except (Invalid, NotYet):  # it lacks something, or comes too early
        return
    own = [event for event in events if isinstance(event, EntityRegistered | EntityRevised)]
    assert len(own) <= 1
    assert len(events) - len(own) == (command.key is not None and not holder.version)
    after = reduce(lambda known, event: known.after(event, command.effective_at), own, state)
    assert decided(after, HELD if command.key else Holder(), command) == []
