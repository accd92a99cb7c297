"""The contract's replays: the same request again gets the first answer, by its key for good, by its content a while."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import httpx2
import pytest

from tests.acceptance.service import API, Json, Service, Start, problem


def person(name: str = "") -> Json:
    return {"display_name": name or f"Replay {uuid4()}", "entity_type": "PERSON"}


def keyed(service: Service, method: str, path: str, body: Json | None, key: str, **more: Any) -> httpx2.Response:
    return service.write(method, path, body, headers={"Idempotency-Key": key}, **more)


def same_answer(first: httpx2.Response, again: httpx2.Response) -> None:
    """Assert that one answer is the other again, and says so."""
    assert again.headers["idempotent-replayed"] == "true"
    assert "idempotent-replayed" not in first.headers
    assert (again.status_code, again.content) == (first.status_code, first.content)
    for name in ("etag", "event-id", "position", "location"):
        assert again.headers.get(name) == first.headers.get(name)


def test_a_post_with_a_key_is_executed_once(service: Service) -> None:
    body, key = person(), uuid4().hex
    first = keyed(service, "POST", "entities", body, key)
    head = service.head()
    same_answer(first, keyed(service, "POST", "entities", body, key))
    same_answer(first, keyed(service, "POST", "entities/", body, key))
    assert (first.status_code, service.head()) == (201, head)


def test_many_posts_at_once_with_one_key_are_executed_once(service: Service) -> None:
    body, key, head = person(), uuid4().hex, service.head()
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: keyed(service, "POST", "entities", body, key), range(16)))
    assert service.head() == head + 1
    assert {(answer.status_code, answer.content) for answer in answers} == {(201, answers[0].content)}
    assert len([answer for answer in answers if "idempotent-replayed" not in answer.headers]) == 1


def test_the_same_key_with_another_body_is_422(service: Service) -> None:
    key = uuid4().hex
    keyed(service, "POST", "entities", person(), key)
    head = service.head()
    problem(keyed(service, "POST", "entities", person(), key), 422, code="idempotency_key_reused")
    assert service.head() == head


def test_the_same_key_with_another_reason_is_422(service: Service) -> None:
    body, key = person(), uuid4().hex
    first = keyed(service, "POST", "entities", {**body, "reason": "one"}, key)
    again = keyed(service, "POST", "entities", {**body, "reason": "one"}, key)
    assert (first.status_code, again.status_code, again.json()) == (201, 201, first.json())
    problem(keyed(service, "POST", "entities", {**body, "reason": "two"}, key), 422, code="idempotency_key_reused")
    problem(keyed(service, "POST", "entities", body, key), 422, code="idempotency_key_reused")


def test_a_key_belongs_to_user_method_and_path(service: Service) -> None:
    body, key = person(), uuid4().hex
    first = keyed(service, "POST", "entities", body, key)
    other = keyed(service, "POST", "entities", body, key, user="user_2")
    assert (first.status_code, other.status_code) == (201, 201)
    assert first.json()["entity_uid"] != other.json()["entity_uid"]
    patched = keyed(service, "PATCH", f"entities/{first.json()['entity_uid']}", {"display_name": "Patched"}, key)
    assert (patched.status_code, "idempotent-replayed" in patched.headers) == (200, False)


def test_two_keys_mean_two_people_of_one_name(service: Service) -> None:
    body = person()
    uids = {keyed(service, "POST", "entities", body, uuid4().hex).json()["entity_uid"] for _ in range(2)}
    assert len(uids) == 2


@pytest.mark.parametrize(
    ("method", "body"),
    [
        ("PATCH", {"display_name": "By key"}),
        ("PUT", {"display_name": "By key", "entity_type": "INSTITUTION"}),
        ("DELETE", None),
    ],
)
def test_changes_with_a_key_get_the_first_answer_after_later_changes_too(
    service: Service, method: str, body: Json | None
) -> None:
    path, key = f"entities/{service.entity()['entity_uid']}", uuid4().hex
    first = keyed(service, method, path, body, key)
    assert first.is_success
    if method == "DELETE":
        service.write("POST", f"{path}/reopen")
    else:
        service.write("PATCH", path, {"display_name": "Later"})
    head = service.head()
    same_answer(first, keyed(service, method, path, body, key))
    assert service.head() == head
    assert service.get(path).json()["display_name"] != "By key"


def test_a_reopening_with_a_key_gets_the_first_answer(service: Service) -> None:
    path, key = f"entities/{service.entity()['entity_uid']}", uuid4().hex
    service.write("DELETE", path)
    first = keyed(service, "POST", f"{path}/reopen", {}, key)
    same_answer(first, keyed(service, "POST", f"{path}/reopen", {}, key))


def test_a_no_op_with_a_key_stays_a_no_op(service: Service) -> None:
    entity, key = service.entity(), uuid4().hex
    path, body = f"entities/{entity['entity_uid']}", {"display_name": entity["display_name"]}
    first = keyed(service, "PATCH", path, body, key)
    service.write("PATCH", path, {"display_name": "Later"})
    again = keyed(service, "PATCH", path, body, key)
    same_answer(first, again)
    assert service.get(path).json()["display_name"] == "Later"


def test_a_delete_with_a_key_and_another_date_is_422(service: Service) -> None:
    path, key = f"entities/{service.entity(effective_at='2020-01-01')['entity_uid']}", uuid4().hex
    assert keyed(service, "DELETE", path, None, key, params={"effective_at": "2021-01-01"}).status_code == 204
    problem(keyed(service, "DELETE", path, None, key, params={"effective_at": "2022-01-01"}), 422)


def test_a_type_with_a_key_is_added_once(service: Service) -> None:
    body, key = {"code": f"K{uuid4().hex[:8].upper()}", "name": "Keyed"}, uuid4().hex
    first = keyed(service, "POST", "entity-types", body, key, user="user_2")
    same_answer(first, keyed(service, "POST", "entity-types", body, key, user="user_2"))


def test_a_refused_request_keeps_no_key(service: Service) -> None:
    key = uuid4().hex
    problem(keyed(service, "POST", "entities", {**person(), "entity_type": "NOPE"}, key), 400)
    assert keyed(service, "POST", "entities", person(), key).status_code == 201


def test_an_identical_post_without_a_key_gets_the_first_answer_with_200(service: Service) -> None:
    body = person()
    first = service.write("POST", "entities", body)
    head = service.head()
    again = service.write("POST", "entities", body)
    assert (first.status_code, again.status_code, service.head()) == (201, 200, head)
    assert again.headers["idempotent-replayed"] == "true"
    assert (again.json(), again.headers["location"]) == (first.json(), first.headers["location"])


def test_an_identical_post_of_another_user_is_a_new_entity(service: Service) -> None:
    body = person()
    answers = [service.write("POST", "entities", body, user=user) for user in ("user_1", "user_2")]
    assert [answer.status_code for answer in answers] == [201, 201]


@pytest.mark.parametrize("method", ["PATCH", "DELETE"])
def test_content_replays_only_while_the_entity_is_at_its_first_version(service: Service, method: str) -> None:
    body = person()
    first = service.write("POST", "entities", body).json()
    path = f"entities/{first['entity_uid']}"
    assert service.write(method, path, {"display_name": "Moved on"} if method == "PATCH" else None).is_success
    again = service.write("POST", "entities", body)
    assert again.status_code == 201
    assert again.json()["entity_uid"] != first["entity_uid"]


def test_replays_by_content_can_be_turned_off(start: Start) -> None:
    service = start(COCKPIT_REPLAY_SECONDS="0")
    body = person()
    assert [service.write("POST", "entities", body).status_code for _ in range(2)] == [201, 201]
    key = uuid4().hex
    same_answer(keyed(service, "POST", "entities", body, key), keyed(service, "POST", "entities", body, key))


def test_content_replays_only_for_a_while(start: Start) -> None:
    service = start(COCKPIT_REPLAY_SECONDS="0.01")
    body = person()
    service.write("POST", "entities", body)
    statuses = [service.write("POST", "entities", body).status_code for _ in range(50)]
    assert 201 in statuses


def test_two_keys_for_one_request_are_400(service: Service) -> None:
    person = service.entity()
    head = service.head()
    headers = [("Idempotency-Key", "a"), ("Idempotency-Key", "b"), ("Authorization", f"Token {service.token()}")]
    body = {"display_name": "Jo", "entity_type": "PERSON"}
    for method, path in (("POST", "entities"), ("PATCH", f"entities/{person['entity_uid']}")):
        answer = service.client.request(method, f"{API}/{path}", headers=headers, json=body)
        problem(answer, 400, code="repeated", field="Idempotency-Key")
    assert service.head() == head
