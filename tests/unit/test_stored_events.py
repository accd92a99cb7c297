"""Every version of every event that was ever written is read by the code of today: stored_events.json has one of each.

By `Type.version`: the payload, exactly as it was stored; the event and the context that it is today; and what folding
it leads to, the entity or the type as it is then, null where none is there. A payload in that file is never changed and
never taken out; the rest follows today's shape (docs/schema-evolution.md).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from functools import reduce
from pathlib import Path
from typing import Any, get_args
from uuid import UUID

import msgspec
import pytest

from shared.core.codec import EVENT_CLASSES, decode, encode_payload
from shared.core.errors import CannotFold
from shared.core.events import (
    REGISTRY_STREAM,
    Context,
    EntityEvent,
    EntityRetired,
    EntityRevised,
    Event,
    Kind,
    Metadata,
    Recorded,
    RegistryEvent,
    TypeDeactivated,
    TypeRegistered,
    entity_stream,
)
from shared.core.rows import DetailVersion, EntityVersion
from shared.core.timeline import Timeline, fold
from shared.core.upcasters import SCHEMA_VERSIONS, UPCASTERS
from tests.architecture import ROOT
from tests.given import JOHN, UID, day, record
from write_side.registry import Registry, evolve

FILE = Path(__file__).with_name("stored_events.json")
STORED: dict[str, list[dict[str, Any]]] = json.loads(FILE.read_text(encoding="utf-8"))
EACH = pytest.mark.parametrize(
    ("name", "fixture"), [(name, fixture) for name, fixtures in STORED.items() for fixture in fixtures]
)
METADATA = '{"actor":"user_1","request_id":"r"}'
TRUST = TypeRegistered(Kind.ENTITY, "TRUST", "Trust")
BEFORE: Mapping[str, tuple[Event, ...]] = {
    "EntityRegistered": (),
    "EntityReopened": (JOHN, EntityRetired()),
    "EventCancelled": (JOHN, EntityRevised(display_name="Jo")),
    "TypeRegistered": (),
    "TypeActivated": (TRUST, TypeDeactivated(Kind.ENTITY, "TRUST")),
}
"""What happened before an event of a type is folded; before others John was registered, or the type TRUST."""


def unlike(stored: Mapping[str, object], versions: Mapping[str, int]) -> set[str]:
    """Return the versions of events that lack a fixture, and the fixtures of what was never written."""
    written = {f"{name}.{version}" for name, today in versions.items() for version in range(1, today + 1)}
    return written ^ stored.keys()


def read(name: str, payload: str, version: int = 1, metadata: str = METADATA) -> Recorded:
    """Decode a payload as the log would have it, as a version of its stream."""
    event_type, _, schema_version = name.partition(".")
    stream = REGISTRY_STREAM if EVENT_CLASSES[event_type] in get_args(RegistryEvent) else entity_stream(UID)
    at, ids = day(version), UUID(int=version)
    return decode(
        version, ids, stream, version, event_type, int(schema_version), at, None, False, at, payload, metadata
    )


def folded(name: str, payload: str) -> dict[str, Any] | None:
    """Return what there is once an event was folded; None for nothing, and for an event that is about nothing."""
    event_type = name.partition(".")[0]
    is_of_registry = EVENT_CLASSES[event_type] in get_args(RegistryEvent)
    before = BEFORE.get(event_type, (TRUST,) if is_of_registry else (JOHN,))
    history = [record(event, version, day(version)) for version, event in enumerate(before, start=1)]
    history.append(read(name, payload, len(history) + 1))
    if is_of_registry:
        types = reduce(evolve, history, Registry()).types
        return msgspec.to_builtins(types[Kind.ENTITY, "TRUST"])  # type: ignore[no-any-return]  # a mapping, of a Struct
    if EVENT_CLASSES[event_type] not in get_args(EntityEvent):
        return None
    rows = reduce(lambda timeline, recorded: fold(timeline, recorded)[0], history, Timeline(entity_uid=UID))
    now = rows.rows_at(day(100))
    details = {row.detail_type: row.detail_value for row in now if isinstance(row, DetailVersion)}
    for row in now:
        if isinstance(row, EntityVersion):
            return {"display_name": row.display_name, "entity_type": row.entity_type, "details": details}
    return None


def test_every_version_of_every_event_has_a_fixture() -> None:
    assert unlike(STORED, SCHEMA_VERSIONS) == set()
    assert SCHEMA_VERSIONS.keys() == EVENT_CLASSES.keys()
    assert all(STORED.values())


def test_what_lacks_a_fixture_and_a_fixture_that_is_gone_are_found() -> None:
    assert unlike(STORED, {**SCHEMA_VERSIONS, "EntityMerged": 1}) == {"EntityMerged.1"}
    assert unlike(STORED, {**SCHEMA_VERSIONS, "EntityRevised": 3}) == {"EntityRevised.2", "EntityRevised.3"}
    assert unlike({**STORED, "EntityRevised.9": []}, SCHEMA_VERSIONS) == {"EntityRevised.9"}
    assert unlike({name: STORED[name] for name in STORED if name != "EntityRetired.1"}, SCHEMA_VERSIONS) == {
        "EntityRetired.1"
    }


def test_every_version_that_a_release_left_has_a_fixture() -> None:
    logs = [path.read_text(encoding="utf-8") for path in (ROOT / "tests/upgrade").glob("*/log.ndjson")]
    events = [json.loads(line) for log in logs for line in log.splitlines()]
    assert events
    assert {f"{event['type']}.{event['schema_version']}" for event in events} <= STORED.keys()


@EACH
def test_a_stored_event_says_what_it_always_said(name: str, fixture: dict[str, Any]) -> None:
    recorded = read(name, fixture["payload"])
    assert msgspec.to_builtins(recorded.event) == fixture["event"]
    assert msgspec.to_builtins(recorded.context) == fixture["context"]


@EACH
def test_a_stored_event_leads_to_what_it_always_led_to(name: str, fixture: dict[str, Any]) -> None:
    assert folded(name, fixture["payload"]) == fixture["folded"]


@EACH
def test_what_is_written_today_has_the_bytes_of_today_s_fixture(name: str, fixture: dict[str, Any]) -> None:
    """A field more, even one with a default, changes what is written: that is another schema version."""
    event_type, _, version = name.partition(".")
    recorded = read(name, fixture["payload"])
    if int(version) == SCHEMA_VERSIONS[event_type]:
        assert encode_payload(recorded.event, recorded.context) == fixture["payload"]
    else:
        assert (event_type, int(version)) in UPCASTERS


def test_a_member_more_in_context_or_metadata_is_passed_over_and_one_in_the_data_is_not() -> None:
    known = read(
        "EntityRetired.1", '{"context":{"channel":"fax"},"data":{}}', metadata='{"actor":"a","request_id":"r","x":1}'
    )
    assert (known.context, known.metadata) == (Context(), Metadata(actor="a", request_id="r"))
    with pytest.raises(CannotFold, match="cause"):
        read("EntityRetired.1", '{"context":{},"data":{"cause":"moved"}}')


def test_the_upcasters_of_the_guide_are_steps() -> None:
    guide = (ROOT / "docs" / "schema-evolution.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"^```python\n(.*?)^```$", guide, re.MULTILINE | re.DOTALL)
    names: dict[str, Any] = {}
    exec(code, names)  # noqa: S102  # the guide is ours
    steps: dict[tuple[str, int], Callable[[dict[str, Any]], dict[str, Any]]] = names["UPCASTERS"]
    assert steps["EntityRetired", 1]({}) == {}
    old = {"kind": "entity", "code": "TRUST", "name": "Trust", "description": "x"}
    assert steps["TypeRegistered", 1](old) == {"kind": "entity", "code": "TRUST", "name": "Trust", "purpose": "x"}
    assert "description" in old
