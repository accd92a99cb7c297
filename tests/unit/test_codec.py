"""What is written to the log can be read back, is written in one way only, and what is not known is not guessed at."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any, get_args
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.core.codec import EVENT_CLASSES, decode, encode_metadata, encode_payload
from shared.core.errors import CannotFold
from shared.core.events import INFINITY, Context, EntityRegistered, EntityRevised, Event, Kind, Metadata, Recorded
from shared.core.upcasters import SCHEMA_VERSIONS

NOW = datetime(2024, 1, 1, tzinfo=UTC)
AN_ID = UUID(int=1)
METADATA = '{"actor":"user_1","request_id":"r"}'

texts = st.text(st.characters(codec="utf-8"), max_size=8)


PLAIN: dict[Any, st.SearchStrategy[Any]] = {
    str: texts,
    UUID: st.uuids(),
    Kind: st.sampled_from(Kind),
    type(None): st.none(),
    msgspec.UnsetType: st.just(msgspec.UNSET),
}


def _values(annotation: Any) -> st.SearchStrategy[Any]:
    if annotation in PLAIN:
        return PLAIN[annotation]
    if annotation in {dict[str, str], dict[str, str | None]}:
        return st.dictionaries(texts, _values(get_args(annotation)[1]), max_size=3)
    return st.one_of([_values(part) for part in get_args(annotation)])


def _structs(cls: type[Any]) -> st.SearchStrategy[Any]:
    return st.builds(cls, **{field.name: _values(field.type) for field in msgspec.structs.fields(cls)})


events = st.one_of([_structs(cls) for cls in EVENT_CLASSES.values()])
contexts = _structs(Context)
metadatas = _structs(Metadata)


def read(
    event_type: str, payload: str, *, schema_version: int = 1, is_for_good: bool = False, metadata: str = METADATA
) -> Recorded:
    return decode(7, AN_ID, "s", 1, event_type, schema_version, NOW, None, is_for_good, NOW, payload, metadata)


@given(events, contexts, metadatas)
def test_every_event_comes_back_as_it_was_written(event: Event, context: Context, metadata: Metadata) -> None:
    recorded = read(
        type(event).__name__,
        encode_payload(event, context),
        schema_version=SCHEMA_VERSIONS[type(event).__name__],
        metadata=encode_metadata(metadata),
    )
    assert (recorded.event, recorded.context, recorded.metadata) == (event, context, metadata)


@given(events, contexts)
def test_what_was_read_is_written_with_the_same_bytes(event: Event, context: Context) -> None:
    payload = encode_payload(event, context)
    recorded = read(type(event).__name__, payload)
    assert encode_payload(recorded.event, recorded.context) == payload


@given(events, contexts)
def test_a_payload_is_canonical(event: Event, context: Context) -> None:
    payload = encode_payload(event, context)
    canonical = json.dumps(json.loads(payload), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert json.loads(payload).keys() == {"context", "data"}
    assert len(payload) == len(canonical) or "\\" in payload  # escapes may be spelled in two ways
    assert json.dumps(json.loads(payload)) == json.dumps(json.loads(canonical))  # the same order of keys


def test_a_bound_of_infinity_is_told_from_none() -> None:
    retired = "EntityRetired", '{"context":{},"data":{}}'
    assert read(*retired, is_for_good=True).effective_until == INFINITY
    assert read(*retired).effective_until is None


def test_the_order_in_which_details_were_given_does_not_show() -> None:
    one = EntityRegistered("A", "PERSON", {"EMAIL": "a", "PHONE": "1"})
    other = EntityRegistered("A", "PERSON", {"PHONE": "1", "EMAIL": "a"})
    assert encode_payload(one, Context()) == encode_payload(other, Context())


def test_the_stored_text_is_the_documented_format() -> None:
    event = EntityRevised(entity_type="PERSON", details={"PHONE": None, "EMAIL": "é"})
    assert encode_payload(event, Context(ip_address="192.0.2.1")) == (
        '{"context":{"ip_address":"192.0.2.1"},"data":{"details":{"EMAIL":"é","PHONE":null},"entity_type":"PERSON"}}'
    )
    assert encode_metadata(Metadata("user_1", "r")) == METADATA


def test_every_event_class_has_a_schema_version_and_none_is_left_over() -> None:
    assert SCHEMA_VERSIONS.keys() == EVENT_CLASSES.keys() == {cls.__name__ for cls in get_args(Event)}


@pytest.mark.parametrize("name", EVENT_CLASSES)
@pytest.mark.parametrize("step", [1, -1])
def test_a_schema_version_that_is_not_known_cannot_be_folded(name: str, step: int) -> None:
    version = SCHEMA_VERSIONS[name] + 1 if step > 0 else 0
    with pytest.raises(CannotFold, match=f"{name} in schema version {version}"):
        read(name, "{}", schema_version=version)


def test_an_event_type_that_is_not_known_cannot_be_folded() -> None:
    with pytest.raises(CannotFold, match="Event 7 cannot be folded: EntityMerged"):
        read("EntityMerged", '{"context":{},"data":{}}')


@pytest.mark.parametrize(
    "payload",
    [
        "{}",
        "[]",
        '{"context":{}}',
        '{"context":{},"data":{}}',
        '{"context":{},"data":{"display_name":1,"entity_type":"PERSON"}}',
        '{"context":{},"data":{"display_name":"A","entity_type":"PERSON","shoe_size":44}}',
        '{"context":{},"data":{"display_name":"\\ud800","entity_type":"PERSON"}}',
        "no JSON",
    ],
)
def test_a_payload_of_another_shape_cannot_be_folded(payload: str) -> None:
    with pytest.raises(CannotFold):
        read("EntityRegistered", payload)


@pytest.mark.parametrize("metadata", ["{}", '{"actor":1,"request_id":"r"}', "no JSON"])
def test_metadata_of_another_shape_cannot_be_folded(metadata: str) -> None:
    with pytest.raises(CannotFold):
        read("EntityRetired", '{"context":{},"data":{}}', metadata=metadata)
