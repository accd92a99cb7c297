"""The original's clients: the requests of its Postman collection in order, as they send them, and what they expect."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from tests.acceptance.postman import FILE, requests
from tests.acceptance.service import API, Json, Service, Start

Answers = dict[str, httpx2.Response]
GLOBEX = "e3146cf3-36b8-47b5-bd32-1e23b53745f8"
ENTITY = {
    "id",
    "entity_uid",
    "display_name",
    "entity_type",
    "valid_from",
    "valid_to",
    "is_current",
    "hashdiff",
    "entity_details",
}


COLLECTION: list[tuple[str, str, str, Json | None]] = [
    ("token", "POST", "/auth/token", {"username": "user_1", "password": "1234"}),
    ("post", "POST", "/entities", {"display_name": "Acme 3", "entity_type": "INSTITUTION"}),
    ("patch", "PATCH", f"/entities/{GLOBEX}", {"display_name": "Globex Holdings - 2", "entity_type": "INSTITUTION"}),
    ("list", "GET", "/entities?type=PERSON", None),
    ("get", "GET", f"/entities/{GLOBEX}", None),
    ("history", "GET", f"/entities/{GLOBEX}/history", None),
    ("as-of", "GET", "/entities-asof/?as_of=2025-08-01", None),
    ("diff", "GET", "/diff/?from=2022-08-01&to=2023-08-01", None),
]
"""What the original's Postman collection sends: a name of ours, method, path below the base URL, body."""


@pytest.fixture(scope="module")
def fresh(start: Start) -> Service:
    """A service with the sample data and nothing else."""
    return start()


@pytest.fixture(scope="module")
def client(fresh: Service) -> Iterator[httpx2.Client]:
    """What the collection is: a base URL, and later a token."""
    with httpx2.Client(base_url=f"{fresh.url}{API}") as it:
        yield it


@pytest.fixture(scope="module")
def answers(client: httpx2.Client) -> Answers:
    """The answers to the collection's requests, each sent once, in order, and as it is; from then on with the token."""
    found = {}
    for name, method, path, body in COLLECTION:
        found[name] = client.request(method, path, json=body)
        if name == "token":
            client.headers["Authorization"] = f"Token {found[name].json()['token']}"
    return found


def names(answer: httpx2.Response) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [entity["display_name"] for entity in answer.json()["results"]]


def test_the_collection_here_begins_with_these_requests() -> None:
    kept = list(requests(json.loads(FILE.read_text(encoding="utf-8"))))[: len(COLLECTION)]
    assert {request.folder for request in kept} == {"The original's requests"}
    assert [(r.method, r.url.removeprefix("{{baseUrl}}"), json.loads(r.body) if r.body else None) for r in kept] == [
        (method, path, body) for _, method, path, body in COLLECTION
    ]
    for request in kept:
        assert request.headers.keys() <= {"Authorization", "Content-Type"}


def test_token(answers: Answers) -> None:
    assert answers["token"].status_code == 200
    assert answers["token"].json()["token"]


def test_post(answers: Answers, client: httpx2.Client) -> None:
    posted = answers["post"]
    assert posted.status_code == 201
    assert posted.json().keys() == ENTITY
    assert (posted.json()["display_name"], posted.json()["entity_details"]) == ("Acme 3", [])
    got = client.get(f"/entities/{posted.json()['entity_uid']}")
    assert (got.status_code, got.json()) == (200, posted.json())
    assert client.get("/entities").json()["count"] == 12


def test_patch_then_get(answers: Answers, client: httpx2.Client) -> None:
    patched = answers["patch"]
    assert (patched.status_code, patched.json()["display_name"]) == (200, "Globex Holdings - 2")
    assert [d["detail_value"] for d in patched.json()["entity_details"]] == ["100 Headquarters Rd, Gotham"]
    assert (answers["get"].status_code, answers["get"].json()) == (200, patched.json())
    assert names(client.get("/entities"))[:2] == ["Globex Holdings - 2", "Acme 3"]


def test_list_of_type_person(answers: Answers) -> None:
    assert names(answers["list"]) == [
        "Jane Smith-Updated",
        "John Doe",
        "Alice Johnson (Married)",
        "Clark Kent",
        "Bruce Wayne",
        "Tony Stark",
    ]
    assert answers["list"].json()["count"] == 6


def test_history(answers: Answers) -> None:
    history = answers["history"].json()
    assert [v["changes"]["display_name"] for v in history["results"] if v["type"] == "entity"] == [
        "Globex LLC",
        "Globex International",
        "Globex Holdings",
        "Globex Holdings - 2",
    ]
    assert (history["count"], len([v for v in history["results"] if v["type"] == "detail"])) == (9, 5)


def test_as_of_2025_08_01(answers: Answers, client: httpx2.Client) -> None:
    first = answers["as-of"]
    assert (first.json()["count"], first.json()["previous"]) == (11, None)
    rest = client.get(first.json()["next"])
    assert (len(names(first)), rest.json()["next"]) == (10, None)
    assert sorted(names(first) + names(rest)) == [
        "Acme Corp",
        "Alice Johnson (Married)",
        "Bruce Wayne",
        "Clark Kent",
        "Daily Planet",
        "Globex Holdings",
        "Jane Smith-Updated",
        "John Doe",
        "Stark Industries",
        "Tony Stark",
        "Wayne Enterprises",
    ]


def test_diff_from_2022_08_01_to_2023_08_01(answers: Answers) -> None:
    page = answers["diff"].json()
    assert {found["entity_uid"]: _changes(found) for found in page["results"]} == {
        "31ce3036-ee2d-4b1e-9cf8-b524a901c086": [
            ("exists", False, True, "2023-06-01T00:00:00Z"),
            ("display_name", None, "Acme Corp", "2023-06-01T00:00:00Z"),
            ("entity_type", None, "INSTITUTION", "2023-06-01T00:00:00Z"),
            ("details.ADDRESS", None, "100 Market St, San Francisco, CA", "2023-06-01T00:00:00Z"),
            ("details.WEBSITE", None, "https://acme.example.com", "2023-06-01T00:00:00Z"),
        ],
        "6448ebbc-7537-4f6e-89df-c809a6b2ed8e": [
            ("details.PHONE", "+1-202-555-0303", "+1-202-555-0404", "2022-09-01T00:00:00Z")
        ],
        "db7d1aec-afe3-46b2-b03c-dd22b43a8a49": [
            ("details.PHONE", "+1-212-555-0606", "+1-212-555-0707", "2023-06-01T00:00:00Z")
        ],
        GLOBEX: [
            ("display_name", "Globex LLC", "Globex International", "2022-09-01T00:00:00Z"),
            ("details.ADDRESS", "2 Second Ave, Metropolis", "20 Corporate Way, Gotham", "2023-05-01T00:00:00Z"),
        ],
    }
    assert (page["count"], page["next"], page["previous"]) == (4, None, None)


def _changes(found: Json) -> list[tuple[Any, ...]]:
    return [(c["field"], c["before"], c["after"], c["change_timestamp"]) for c in found["changes"]]


@pytest.mark.parametrize("path", ["entities", f"entities/{GLOBEX}", f"entities/{GLOBEX}/history", "ping"])
def test_gets_need_no_token_in_either_slash_form(fresh: Service, path: str) -> None:
    prefix = "" if path == "ping" else API
    for written in (f"{prefix}/{path}", f"{prefix}/{path}/"):
        assert httpx2.get(f"{fresh.url}{written}").status_code == 200


@pytest.mark.parametrize("scheme", ["Token", "token", "TOKEN"])
def test_the_scheme_may_be_in_any_case(fresh: Service, scheme: str) -> None:
    headers = {"Authorization": f"{scheme} {fresh.token()}"}
    answer = httpx2.patch(f"{fresh.url}{API}/entities/{GLOBEX}", json={}, headers=headers)
    assert answer.status_code == 200


def test_a_page_holds_ten_and_links_to_the_next(answers: Answers, client: httpx2.Client) -> None:
    page = client.get("/entities").json()
    assert (len(page["results"]), page["previous"]) == (10, None)
    assert page["next"].endswith("/api/v1/entities?page=2")
    second = client.get(page["next"]).json()
    assert second["previous"].endswith("/api/v1/entities")
    assert page["count"] == 10 + len(second["results"])


def test_its_errors_are_where_its_clients_look(answers: Answers, client: httpx2.Client) -> None:
    answer = client.post("/entities", json={"display_name": "No type"})
    assert (answer.status_code, answer.json()["entity_type"]) == (400, ["This field is required."])
    answer = client.get("/diff/", params={"from": "2022-08-01"})
    assert (answer.status_code, answer.json()["to"]) == (400, ["This field is required."])
    answer = httpx2.post(f"{str(client.base_url).rstrip('/')}/entities", json={})
    assert (answer.status_code, answer.json()["detail"]) == (401, "Authentication credentials were not provided.")
