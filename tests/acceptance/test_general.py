"""The contract's general rules: slashes, content types, unknown fields, instants, headers, pages."""

from __future__ import annotations

import re
from uuid import uuid4

import pytest

from tests.acceptance.service import API, Service, problem

GLOBEX = "e3146cf3-36b8-47b5-bd32-1e23b53745f8"
READS = (
    "entities",
    f"entities/{GLOBEX}",
    f"entities/{GLOBEX}/history",
    "entities-asof?as_of=2024-01-01",
    "diff?from=2022-01-01&to=2023-01-01",
    "entity-types",
    "detail-types",
)
PAGES = (*READS, "/ping", "/livez", "/readyz", "/docs", "/openapi.json")


@pytest.mark.parametrize("path", PAGES)
def test_both_forms_answer_with_and_without_a_slash(service: Service, path: str) -> None:
    plain, _, query = path.partition("?")
    for written in (plain, plain + "/"):
        assert service.get(f"{written}?{query}").status_code == 200


def test_writes_answer_in_both_forms(service: Service) -> None:
    for path in ("entities", "entities/"):
        body = {"display_name": f"Slash {uuid4()}", "entity_type": "PERSON"}
        answer = service.write("POST", path, body)
        assert answer.status_code == 201
        uid = answer.json()["entity_uid"]
        assert answer.headers["location"] == f"{API}/entities/{uid}"
        assert service.write("PATCH", f"entities/{uid}/", {"display_name": "x"}).status_code == 200
        assert service.write("DELETE", f"entities/{uid}/").status_code == 204


@pytest.mark.parametrize("path", PAGES)
def test_head_answers_wherever_get_does_with_the_same_headers_and_no_body(service: Service, path: str) -> None:
    get, head = service.get(path), service.ask("HEAD", path)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers.keys() == get.headers.keys()
    for name in ("content-type", "etag", "position"):
        assert head.headers.get(name) == get.headers.get(name)


@pytest.mark.parametrize("path", PAGES)
def test_options_tells_what_is_allowed_wherever_get_answers(service: Service, path: str) -> None:
    answer = service.ask("OPTIONS", path)
    assert answer.status_code == 204
    assert {"GET", "HEAD", "OPTIONS"} <= set(answer.headers["allow"].split(", "))


@pytest.mark.parametrize("path", [*READS, "nothing", "/ping/"])
def test_security_headers_and_a_request_id_are_on_every_answer(service: Service, path: str) -> None:
    headers = service.get(path).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["x-request-id"]
    assert "server" not in headers


def test_a_sane_request_id_is_taken_from_the_request(service: Service) -> None:
    answer = service.get("entities", headers={"X-Request-Id": "trace-42:a/b"})
    assert answer.headers["x-request-id"] == "trace-42:a/b"


@pytest.mark.parametrize("given", ["a b", "<script>", "x" * 129, "", "ünïcode"])
def test_a_request_id_that_is_not_sane_is_replaced(service: Service, given: str) -> None:
    answer = service.get("entities", headers={"X-Request-Id": given.encode()})
    assert re.fullmatch(r"[0-9a-f-]{36}", answer.headers["x-request-id"])


@pytest.mark.parametrize("path", READS)
def test_reads_carry_etag_position_and_as_of(service: Service, path: str) -> None:
    headers = service.get(path).headers
    assert re.fullmatch(r'"[^"]+"', headers["etag"])
    assert int(headers["position"]) > 0
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?Z", headers["as-of"])


def test_writes_carry_etag_position_location_and_event_id(service: Service) -> None:
    body = {"display_name": f"Headers {uuid4()}", "entity_type": "PERSON"}
    made = service.write("POST", "entities", body)
    assert made.status_code == 201
    assert made.headers["location"] == f"{API}/entities/{made.json()['entity_uid']}"
    assert made.headers["event-id"] in made.headers["etag"]
    assert int(made.headers["position"]) == service.head()


def test_a_no_op_has_no_event_id(service: Service) -> None:
    entity = service.entity()
    head = service.head()
    answer = service.write("PATCH", f"entities/{entity['entity_uid']}", {"display_name": entity["display_name"]})
    assert answer.status_code == 200
    assert "event-id" not in answer.headers
    assert answer.headers["position"]
    assert service.head() == head


def test_an_entity_sent_back_unchanged_is_taken_with_its_read_only_fields(service: Service) -> None:
    entity = service.entity(details=[{"detail_type": "EMAIL", "detail_value": "a@b"}])
    head = service.head()
    for method in ("PATCH", "PUT"):
        answer = service.write(method, f"entities/{entity['entity_uid']}", entity)
        assert (answer.status_code, answer.json()) == (200, entity)
    assert service.head() == head
    other = {**entity, "entity_uid": str(uuid4())}
    problem(service.write("PATCH", f"entities/{entity['entity_uid']}", other), 400, field="entity_uid")


@pytest.mark.parametrize("path", READS)
def test_an_unknown_query_parameter_is_refused_by_reads(service: Service, path: str) -> None:
    answer = service.get(f"{path}{'&' if '?' in path else '?'}pgae=2")
    problem(answer, 400, code="unknown", field="pgae")


def test_an_unknown_query_parameter_is_refused_by_writes(service: Service) -> None:
    uid, head = service.entity()["entity_uid"], service.head()
    body = {"display_name": "Typing error", "entity_type": "PERSON"}
    for method, path in (("POST", "entities"), ("PUT", f"entities/{uid}"), ("PATCH", f"entities/{uid}")):
        problem(service.write(method, path, body, params={"efective_at": "2020-01-01"}), 400, field="efective_at")
    for method, path in (("DELETE", f"entities/{uid}"), ("POST", f"entities/{uid}/reopen")):
        problem(service.write(method, path, params={"efective_at": "2020-01-01"}), 400, field="efective_at")
    problem(service.write("DELETE", "auth/token", params={"x": "1"}), 400, field="x")
    assert service.head() == head


def test_an_unknown_body_field_is_refused(service: Service) -> None:
    body = {"display_name": "x", "entity_type": "PERSON", "detials": []}
    problem(service.write("POST", "entities", body), 400, code="unknown", field="detials")


def test_strings_are_trimmed(service: Service) -> None:
    entity = service.entity("  Trim Me  ", " PERSON ", details=[{"detail_type": "EMAIL", "detail_value": " a@b "}])
    assert entity["display_name"] == "Trim Me"
    assert entity["entity_type"] == "PERSON"
    assert entity["entity_details"][0]["detail_value"] == "a@b"


def test_instants_go_out_with_a_z_and_microseconds_only_when_not_zero(service: Service) -> None:
    entity = service.entity(effective_at="2024-01-15T10:30:00+00:00")
    assert entity["valid_from"] == "2024-01-15T10:30:00Z"
    entity = service.entity(effective_at="2024-01-15T10:30:00.5Z")
    assert entity["valid_from"] == "2024-01-15T10:30:00.500000Z"


def test_a_validation_error_is_a_problem_with_the_originals_members_beside(service: Service) -> None:
    body = problem(service.write("POST", "entities", {"display_name": ""}), 400, field="entity_type")
    assert body["entity_type"] == ["This field is required."]
    assert body["display_name"] == ["This field may not be blank."]
    assert {error["code"] for error in body["errors"]} == {"required", "blank"}


def test_no_field_member_takes_the_place_of_a_member_of_the_problem(service: Service) -> None:
    body = problem(service.get("entities", params={"type": "NOPE"}), 400, field="type")
    assert body["type"] == "about:blank"


def test_min_position_beyond_the_log_is_503_with_retry_after(service: Service) -> None:
    answer = service.get("entities", params={"min_position": service.head() + 1_000_000})
    problem(answer, 503)
    assert int(answer.headers["retry-after"]) >= 1


def test_prefer_wait_answers_when_the_read_model_has_the_write(service: Service) -> None:
    body = {"display_name": f"Prefer {uuid4()}", "entity_type": "PERSON"}
    answer = service.write("POST", "entities", body, headers={"Prefer": "wait=10"})
    assert (answer.status_code, answer.headers["preference-applied"]) == (201, "wait=10")
    assert service.get("/ping/").json()["checkpoint"] >= int(answer.headers["position"])
