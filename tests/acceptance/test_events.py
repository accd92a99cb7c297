"""The event feed in pages: CloudEvents in the order of their positions, as far as the log goes."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from tests.acceptance.service import Json, Service, command, problem

ENVELOPE = [
    *("specversion", "id", "source", "type", "subject", "time", "datacontenttype", "data", "position", "stream"),
    *("version", "effectiveat", "actor", "requestid", "schemaversion"),
]


def page(service: Service, **params: Any) -> Json:
    answer = service.get("events", user="user_1", params=params)
    assert answer.status_code == 200, answer.text
    body: Json = answer.json()
    assert list(body) == ["events", "next", "after", "head"]
    assert answer.headers["position"] == str(body["after"])
    return body


@pytest.fixture
def before(service: Service) -> int:
    """The head of the log."""
    return service.head()


def test_a_token_is_needed_even_where_reads_are_public(service: Service) -> None:
    problem(service.get("events"), 401)
    problem(service.get("events/stream"), 401)


def test_the_token_needs_the_scope_read_even_where_reads_are_public(service: Service) -> None:
    made = command(service.folder, service.conninfo, "token", "create", "user_1", "--scope", "write")
    headers = {"Authorization": f"Token {made.stdout.split()[-1]}"}
    assert service.get("entities", headers=headers).status_code == 200
    for path in ("events", "events/stream", "audit"):
        problem(service.get(path, headers=headers), 403)


def test_an_event_is_a_cloud_event_that_tells_what_was_asserted_and_why(service: Service, before: int) -> None:
    headers = {"X-Request-Id": f"feed-{uuid4()}", "User-Agent": "secret-agent/1"}
    body = {
        "display_name": "Fed",
        "entity_type": "PERSON",
        "details": [{"detail_type": "EMAIL", "detail_value": "a@b"}],
    }
    made = service.write("POST", "entities", body, headers=headers)
    uid = made.json()["entity_uid"]
    change = {"display_name": "Feed", "effective_at": "2030-01-01", "effective_until": "infinity", "reason": "plan"}
    changed = service.write("PATCH", f"entities/{uid}", change, user="user_2")
    found = page(service, after=before)
    first, second = found["events"]
    assert list(first) == ENVELOPE
    assert first == {
        "specversion": "1.0",
        "id": made.headers["event-id"],
        "source": "/api/v1/events",
        "type": "cockpit.EntityRegistered",
        "subject": uid,
        "time": first["time"],
        "datacontenttype": "application/json",
        "data": {"display_name": "Fed", "entity_type": "PERSON", "details": {"EMAIL": "a@b"}},
        "position": before + 1,
        "stream": f"entity:{uid}",
        "version": 1,
        "effectiveat": first["time"],
        "actor": "user_1",
        "requestid": headers["X-Request-Id"],
        "schemaversion": 1,
    }
    assert second["id"] == changed.headers["event-id"]
    assert (second["type"], second["actor"], second["version"]) == ("cockpit.EntityRevised", "user_2", 2)
    assert second["data"] == {"display_name": "Feed", "reason": "plan"}
    assert (second["effectiveat"], second["effectiveuntil"]) == ("2030-01-01T00:00:00Z", "infinity")
    assert "secret-agent" not in str(found)
    assert "127.0.0.1" not in str(found["events"])
    assert (found["next"], found["after"], found["head"]) == (None, before + 2, before + 2)


def test_the_subject_of_a_type_is_its_code(service: Service) -> None:
    first = page(service, limit=1, type="TypeRegistered")["events"][0]
    assert (first["subject"], first["stream"]) == (first["data"]["code"], "registry")


def test_the_pages_lead_through_the_whole_log_once_and_in_order(service: Service) -> None:
    positions: list[int] = []
    url: str | None = "events?limit=7"
    while url:
        answer = service.get(url, user="user_1").json()
        positions += [event["position"] for event in answer["events"]]
        url = answer["next"]
    assert positions == list(range(1, service.head() + 1))


def test_the_last_page_has_no_next_and_an_empty_one_says_where_the_log_ends(service: Service) -> None:
    head = service.head()
    assert page(service, after=head) == {"events": [], "next": None, "after": head, "head": head}
    assert page(service, after=head + 5) == {"events": [], "next": None, "after": head + 5, "head": head}
    assert page(service, after=2**63 - 1)["events"] == []


def test_a_page_can_be_of_some_types_or_of_one_entity(service: Service, before: int) -> None:
    uid = service.entity()["entity_uid"]
    service.entity()
    service.write("PATCH", f"entities/{uid}", {"display_name": "Other"})
    service.write("DELETE", f"entities/{uid}")

    def found(**params: Any) -> list[tuple[str, int]]:
        events = page(service, after=before, **params)["events"]
        return [(event["type"].removeprefix("cockpit."), event["position"] - before) for event in events]

    of_entity = [("EntityRegistered", 1), ("EntityRevised", 3), ("EntityRetired", 4)]
    assert found(entity_uid=uid) == of_entity
    assert found(type="EntityRegistered") == [("EntityRegistered", 1), ("EntityRegistered", 2)]
    assert found(type="cockpit.EntityRetired, EntityRevised") == of_entity[1:]
    assert found(type="EntityRevised", entity_uid=uid) == of_entity[1:2]
    assert found(entity_uid=uid, limit=2) == of_entity[:2]
    assert page(service, after=before, entity_uid=uid, limit=2)["after"] == before + 3
    assert page(service, after=before + 1, entity_uid=uid)["events"][0]["version"] == 2
    assert found(entity_uid=str(uuid4())) == []
    assert page(service, entity_uid=str(uuid4()))["after"] == service.head()


def test_who_holds_the_page_already_gets_304(service: Service) -> None:
    etag = service.get("events?limit=3", user="user_1").headers["etag"]
    again = service.get("events?limit=3", user="user_1", headers={"If-None-Match": etag})
    assert (again.status_code, again.headers["position"]) == (304, "3")


@pytest.mark.parametrize("path", ["events", "events/stream"])
@pytest.mark.parametrize(
    ("parameter", "value", "code"),
    [
        ("after", "-1", "not_whole"),
        ("after", "1.0", "not_whole"),
        ("after", str(2**63), "less_than_equal"),
        ("limit", "0", "greater_than_equal"),
        ("limit", "x", "not_whole"),
        ("entity_uid", "none", "invalid_uuid"),
        ("type", "Nothing", "unknown_type"),
        ("type", "EntityRevised,,EntityRetired", "unknown_type"),
        ("as_of", "2024-01-01", "unknown"),
        ("known_at", "2024-01-01", "unknown"),
        ("position", "1", "unknown"),
        ("min_position", "1", "unknown"),
        ("page", "1", "unknown"),
    ],
)
def test_a_parameter_that_is_not_valid_is_refused_by_name(
    service: Service, path: str, parameter: str, value: str, code: str
) -> None:
    answer = service.get(path, user="user_1", params={parameter: value})
    body = problem(answer, 400, code=code, field=parameter)
    if code == "unknown_type":
        assert "EntityRegistered" in str(body["errors"])


def test_a_page_has_a_thousand_events_at_most_and_no_notices(service: Service) -> None:
    problem(service.get("events?limit=1001", user="user_1"), 400, field="limit")
    problem(service.get("events?type=became_effective", user="user_1"), 400, field="type")


def test_head_and_options_answer_and_pages_are_json_where_streams_are_not(service: Service) -> None:
    for path, media_type in (("events", "application/json"), ("events/stream", "text/event-stream")):
        head = service.ask("HEAD", path, "user_1")
        assert (head.status_code, head.content) == (200, b"")
        assert head.headers["content-type"].startswith(media_type)
        assert int(head.headers["position"]) <= service.head()
        allowed = service.ask("OPTIONS", path)
        assert {"GET", "HEAD", "OPTIONS"} == set(allowed.headers["allow"].split(", "))
    problem(service.get("events", user="user_1", headers={"Accept": "text/event-stream"}), 406)
    problem(service.get("events/stream", user="user_1", headers={"Accept": "application/json"}), 406)
