"""What the fuzz found, one test each, with the request that showed it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from tests.acceptance.fuzzing import running_service
from tests.conftest import Clone

ENTITIES = "/api/v1/entities"
JANE = {"display_name": "Jane", "entity_type": "PERSON", "effective_at": "2024-01-01"}
RENAMED = {"display_name": "Jane Smith", "effective_at": "2024-06-01"}


@pytest.fixture(scope="module")
def client(clone: Clone) -> Iterator[httpx2.Client]:
    with clone() as conninfo, running_service(conninfo) as service, httpx2.Client(base_url=service.url) as it:
        answer = it.post("/api/v1/auth/token", json={"username": "user_2", "password": "1234"})
        it.headers["Authorization"] = f"Token {answer.json()['token']}"
        yield it


def _made(client: httpx2.Client) -> str:
    answer = client.post(ENTITIES, json=JANE, headers={"Prefer": "wait=5", "Idempotency-Key": "made"})
    assert answer.status_code == 201
    return f"{ENTITIES}/{answer.json()['entity_uid']}"


def _field_errors(answer: httpx2.Response) -> list[tuple[Any, Any]]:
    return [(error["field"], error["code"]) for error in answer.json()["errors"]]


def test_a_dated_change_made_again_after_the_retirement_is_answered_as_it_was_then_and_not_empty(
    client: httpx2.Client,
) -> None:
    url = _made(client)
    assert client.patch(url, json=RENAMED).status_code == 200
    assert client.delete(url).status_code == 204
    again = client.patch(url, json=RENAMED)
    assert (again.status_code, again.json()["display_name"]) == (200, "Jane Smith")
    assert again.json()["is_current"] is False
    assert client.post(f"{url}/reopen", headers={"Prefer": "wait=5"}).status_code == 200


def test_a_query_parameter_beside_a_body_is_refused_and_not_ignored(client: httpx2.Client) -> None:
    elsewhere = f"{ENTITIES}/4f8c10a3-029a-4cec-b324-2faaac7f8c45"
    answer = client.patch(elsewhere, params={"effective_at": "2024-01-01"}, json={"display_name": "John"})
    assert answer.status_code == 400
    assert _field_errors(answer) == [("effective_at", "unknown")]
    log_in = {"username": "user_1", "password": "1234"}
    assert client.post("/api/v1/auth/token", params={"next": "/"}, json=log_in).status_code == 400
    assert client.delete("/api/v1/auth/token", params={"all": "1"}).status_code == 400


def test_a_field_named_like_a_member_of_the_problem_does_not_take_its_place(client: httpx2.Client) -> None:
    answer = client.post(ENTITIES, json={**JANE, "history": 1, "hue": 1})
    assert answer.status_code == 400
    assert sorted(_field_errors(answer)) == [("history", "unknown"), ("hue", "unknown")]
    assert "history" not in answer.json()
    assert answer.json()["hue"] == ["Unknown field."]


@pytest.mark.parametrize(
    ("accept", "status"),
    [
        ("application/json", 200),
        ("application/json; indent=4", 200),
        ("text/html, */*;q=0.1", 200),
        ("APPLICATION/*", 200),
        ("", 200),
        ("text/html", 406),
        ("text/html, application/json;q=0", 406),
        ("application/json;q=0.0, text/html", 406),
    ],
)
def test_who_does_not_accept_json_is_told_so(client: httpx2.Client, accept: str, status: int) -> None:
    answer = client.get(ENTITIES, headers={"Accept": accept})
    assert answer.status_code == status
    refused = {"display_name": "Never", "entity_type": "PERSON"}
    if status == 406:
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert client.post(ENTITIES, json=refused, headers={"Accept": accept}).status_code == 406
        assert client.get(ENTITIES, params={"q": "Never"}).json()["count"] == 0
