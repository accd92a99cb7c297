"""The content by which a request is known when it comes again: a storage format, whose bytes stay what they are."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from hashlib import sha256
from typing import Any
from uuid import UUID

import msgspec
import pytest
from hypothesis import given as for_all
from hypothesis import strategies as st
from msgspec import UNSET

from shared.core.events import INFINITY, Kind
from write_side.api.commands import content_of
from write_side.entity import Cancel, Register, Reopen, Replace, Retire, Revise
from write_side.registry import ChangeType, RegisterType

ANN = Register(display_name="Ann", entity_type="PERSON", details={"PHONE": "1", "EMAIL": "a"})

zones = st.sampled_from([UTC, timezone(timedelta(hours=2)), timezone(-timedelta(hours=3, minutes=30))])
instants = st.none() | st.datetimes(timezones=zones)
spans = {"effective_at": instants, "effective_until": instants | st.just(INFINITY)}
words = st.text() | st.sampled_from(['"effective_until":null', "é\\\n"])
details = st.dictionaries(words | st.just("effective_until"), words)
changes = st.dictionaries(words | st.just("effective_until"), st.none() | words)
unset_or = words | st.just(UNSET)
commands: st.SearchStrategy[Any] = st.one_of(
    *(st.builds(cls, display_name=words, entity_type=words, details=details, **spans) for cls in (Register, Replace)),
    *(
        st.builds(cls, display_name=unset_or, entity_type=unset_or, details=changes, **spans)
        for cls in (Revise, Reopen)
    ),
    st.builds(Retire, **spans),
    st.builds(Cancel, event_id=st.uuids()),
    st.builds(RegisterType, st.sampled_from(Kind), words, words, words, st.booleans()),
    st.builds(ChangeType, st.sampled_from(Kind), words, unset_or, unset_or, st.booleans() | st.just(UNSET)),
    st.fixed_dictionaries({"position": st.integers(1, 2**63 - 1)}),
)


def plainly(asked: object) -> bytes:
    """Return the same in three plain steps: to what JSON has, without an open bound, to bytes."""
    parts = msgspec.to_builtins(asked)
    for part in parts if isinstance(parts, list) else [parts]:
        if isinstance(part, dict) and part.get("effective_until", "") is None:
            del part["effective_until"]
    return msgspec.json.encode(parts, order="sorted")


@for_all(commands | st.tuples(st.none() | st.uuids(), commands).map(list))
def test_it_has_every_member_that_was_given_and_no_open_bound(asked: object) -> None:
    assert content_of(asked) == plainly(asked)


@pytest.mark.parametrize(
    ("asked", "digest"),
    [
        ([None, ANN], "18cce9f5f784f4024359dfc85bf11e6c2de3df73bea1ae35aa269f4b0e434823"),
        (
            Revise(display_name="Bo", effective_until=INFINITY),
            "b8e1a1f15864ead81212414a408d19833d7c7f4a9c9c83db31ac4fe3abb88d9e",
        ),
        (Cancel(event_id=UUID(int=1)), "2c652faf2ae7d5ada50bbff9ab7680712fe1fe24e2811d601626e65cad136092"),
        (
            Retire(effective_at=datetime(2024, 1, 1, tzinfo=UTC)),
            "c518f1438ebf93c2aab38b8497f3ccd909fcf2b48aae94040368f0ad7069b865",
        ),
    ],
)
def test_its_digest_is_a_stored_value_and_stays_what_it_is(asked: object, digest: str) -> None:
    assert sha256(content_of(asked)).hexdigest() == digest
