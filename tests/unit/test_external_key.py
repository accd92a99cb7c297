"""A key is claimed once, by whoever comes first, and stays where it is."""

from __future__ import annotations

from uuid import UUID

import pytest
from hypothesis import given as for_all
from hypothesis import strategies as st
from msgspec.structs import replace

from shared.core.errors import AlreadyClaimed, CannotFold
from shared.core.events import EntityRetired, Event, ExternalKeyClaimed
from tests.given import UID, day, record
from write_side.external_key import SOURCE, Claim, ExternalKey, Holder, decide, evolve

KEY = ExternalKey("crm", "C-1")
OTHER = UUID(int=7)
CLAIMED = ExternalKeyClaimed("crm", "C-1", UID)


def after(*events: Event) -> Holder:
    holder = Holder()
    for version, event in enumerate(events, 1):
        holder = evolve(holder, replace(record(event, version, day(version)), stream=KEY.stream))
    return holder


def test_who_comes_first_claims_it() -> None:
    assert decide(Holder(), Claim(KEY, UID)) == [CLAIMED]


def test_claimed_again_for_the_same_entity_nothing_changes() -> None:
    assert decide(after(CLAIMED), Claim(KEY, UID)) == []


def test_another_entity_is_told_whose_it_is() -> None:
    with pytest.raises(AlreadyClaimed) as refused:
        decide(after(CLAIMED), Claim(KEY, OTHER))
    assert refused.value.entity_uid == UID
    assert str(refused.value) == f"C-1 of crm is the key of another entity, {UID}: it stays bound to it."


@pytest.mark.parametrize("events", [(CLAIMED, CLAIMED), (EntityRetired(),)])
def test_what_is_no_first_claim_cannot_be_folded(events: tuple[Event, ...]) -> None:
    with pytest.raises(CannotFold):
        after(*events)


@for_all(
    st.tuples(st.from_regex(SOURCE, fullmatch=True), st.text(min_size=1)),
    st.tuples(st.from_regex(SOURCE, fullmatch=True), st.text(min_size=1)),
)
def test_two_keys_never_share_a_stream(one: tuple[str, str], other: tuple[str, str]) -> None:
    assert (ExternalKey(*one).stream == ExternalKey(*other).stream) == (one == other)


@for_all(st.lists(st.sampled_from([UID, OTHER]), min_size=1))
def test_whoever_claims_it_in_whatever_order_there_is_one_event(claims: list[UUID]) -> None:
    holder = Holder()
    for uid in claims:
        try:
            events = decide(holder, Claim(KEY, uid))
        except AlreadyClaimed:
            assert uid != claims[0]
            continue
        for event in events:
            holder = evolve(holder, replace(record(event, 1, day(1)), stream=KEY.stream))
    assert (holder.entity_uid, holder.version) == (claims[0], 1)
