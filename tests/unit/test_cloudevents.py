"""Every event is a CloudEvent, with what it asserts and the reason; what is personal about the request stays here."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from read_side.cloudevents import CloudEvent, cloud_event, notice
from read_side.shapes import ScheduledOut
from shared.core.codec import EVENT_CLASSES, encode_metadata, encode_payload
from shared.core.events import (
    REGISTRY_STREAM,
    Context,
    EntityRegistered,
    EntityReopened,
    EntityRetired,
    EntityRevised,
    Event,
    EventCancelled,
    EventSkipped,
    ExternalKeyClaimed,
    Kind,
    Metadata,
    TypeActivated,
    TypeChanged,
    TypeDeactivated,
    TypeRegistered,
    entity_stream,
)
from shared.core.upcasters import SCHEMA_VERSIONS
from shared.http.shapes import encode
from tests.given import UID, day

CONTEXT = Context("192.0.2.1", "agent/1", "because")
METADATA = Metadata("user_1", "request-1", "correlation", "causation")
ATTRIBUTE = re.compile(r"[a-z0-9]{1,20}")
"""What CloudEvents 1.0 lets the name of an attribute be."""

EXAMPLES: list[tuple[Event, str, dict[str, Any]]] = [
    (
        EntityRegistered("John", "PERSON", {"EMAIL": "a@b"}),
        str(UID),
        {"display_name": "John", "entity_type": "PERSON", "details": {"EMAIL": "a@b"}},
    ),
    (EntityRevised(details={"EMAIL": None}), str(UID), {"details": {"EMAIL": None}}),
    (EntityRetired(), str(UID), {}),
    (EntityReopened(display_name="John"), str(UID), {"display_name": "John"}),
    (EventCancelled(UUID(int=7)), str(UID), {"event_id": str(UUID(int=7))}),
    (EventSkipped(UUID(int=7)), str(UID), {"event_id": str(UUID(int=7))}),
    (
        ExternalKeyClaimed("legacy", "4:2", UID),
        str(UID),
        {"source": "legacy", "external_id": "4:2", "entity_uid": str(UID)},
    ),
    (
        TypeRegistered(Kind.ENTITY, "TRUST", "Trust"),
        "TRUST",
        {"kind": "entity", "code": "TRUST", "name": "Trust", "description": ""},
    ),
    (TypeChanged(Kind.DETAIL, "FAX", name="Fax"), "FAX", {"kind": "detail", "code": "FAX", "name": "Fax"}),
    (TypeActivated(Kind.DETAIL, "FAX"), "FAX", {"kind": "detail", "code": "FAX"}),
    (TypeDeactivated(Kind.DETAIL, "FAX"), "FAX", {"kind": "detail", "code": "FAX"}),
]


def row(event: Event, context: Context = CONTEXT, until: datetime | None = None, **changed: Any) -> list[Any]:
    name = type(event).__name__
    values = {
        "position": 9,
        "event_id": UUID(int=9),
        "stream": REGISTRY_STREAM if name.startswith("Type") else entity_stream(UID),
        "version": 3,
        "type": name,
        "schema_version": SCHEMA_VERSIONS[name],
        "effective_at": day(1),
        "effective_until": until,
        "is_for_good": False,
        "recorded_at": day(2),
        "payload": encode_payload(event, context),
        "metadata": encode_metadata(METADATA),
    }
    return list((values | changed).values())


def sent(event: CloudEvent) -> dict[str, Any]:
    return dict(json.loads(encode(event)))


def test_there_is_an_example_of_every_event() -> None:
    assert {type(event) for event, _, _ in EXAMPLES} == set(EVENT_CLASSES.values())


@pytest.mark.parametrize(("event", "subject", "asserted"), EXAMPLES)
def test_an_event_goes_out_with_what_it_asserts_and_why(event: Event, subject: str, asserted: dict[str, Any]) -> None:
    found = sent(cloud_event(row(event)))
    assert found == {
        "specversion": "1.0",
        "id": str(UUID(int=9)),
        "source": "/api/v1/events",
        "type": f"cockpit.{type(event).__name__}",
        "subject": subject,
        "time": "2024-01-02T00:00:00Z",
        "datacontenttype": "application/json",
        "data": asserted | {"reason": "because"},
        "position": 9,
        "stream": found["stream"],
        "version": 3,
        "effectiveat": "2024-01-01T00:00:00Z",
        "actor": "user_1",
        "requestid": "request-1",
        "schemaversion": 1,
    }
    assert all(ATTRIBUTE.fullmatch(name) for name in found)


def test_nothing_personal_of_the_request_goes_out() -> None:
    for event, _, _ in EXAMPLES:
        text = encode(cloud_event(row(event))).decode()
        assert not any(part in text for part in ("192.0.2.1", "agent/1", "correlation", "causation"))


def test_where_no_reason_was_given_there_is_none() -> None:
    assert sent(cloud_event(row(EntityRetired(), Context())))["data"] == {}


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({}, None),
        ({"effective_until": day(3)}, "2024-01-03T00:00:00Z"),
        ({"is_for_good": True}, "infinity"),
    ],
)
def test_an_end_is_told_where_there_is_one(changed: dict[str, Any], expected: str | None) -> None:
    assert sent(cloud_event(row(EntityRetired(), **changed))).get("effectiveuntil") == expected


@pytest.mark.parametrize(
    "changed",
    [
        {"type": "EntityAdmired"},
        {"schema_version": 2},
        {"payload": "{}"},
        {"payload": '{"context": {}, "data": {"unheard": 1}}'},
        {"metadata": "{}"},
        {"metadata": "[1"},
    ],
)
def test_what_cannot_be_decoded_goes_out_without_data_and_with_the_reason(changed: dict[str, Any]) -> None:
    found = sent(cloud_event(row(EntityRetired(), **changed)))
    assert found["data"] is None
    assert found["undecodable"]
    assert (found["position"], found["subject"], found["version"]) == (9, str(UID), 3)
    assert found["type"] == "cockpit." + changed.get("type", "EntityRetired")
    assert found.get("actor") == (None if "metadata" in changed else "user_1")


def test_a_notice_has_the_same_id_each_time_and_the_instant_as_its_time() -> None:
    at = datetime(2030, 1, 1, 12, 30, tzinfo=UTC)
    change = ScheduledOut(UID, at, "details.EMAIL", None, "a@b", UUID(int=9), "user_1", None)
    found = json.loads(encode(notice(change)))
    assert found == {
        "specversion": "1.0",
        "id": f"{UUID(int=9)}/details.EMAIL/2030-01-01T12:30:00Z",
        "source": "/api/v1/events",
        "type": "cockpit.became_effective",
        "subject": str(UID),
        "time": "2030-01-01T12:30:00Z",
        "datacontenttype": "application/json",
        "data": {
            "field": "details.EMAIL",
            "before": None,
            "after": "a@b",
            "event_id": str(UUID(int=9)),
            "actor": "user_1",
            "reason": None,
        },
    }
    assert all(ATTRIBUTE.fullmatch(name) for name in found)
