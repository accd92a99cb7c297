"""Entities over HTTP: the list and the single one, now and at an instant, and what is refused."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient

from tests.conftest import Clone
from tests.integration.reading import (
    RETIRED,
    TOKEN,
    Projected,
    day,
    projected,
    reading,
    registered,
    revised,
    uid,
)

ENTITIES = "/api/v1/entities"


@pytest.fixture(scope="module")
def conninfo(clone: Clone) -> Iterator[str]:
    with clone() as conninfo:
        with projected(conninfo) as book:
            fill(book)
        yield conninfo


def fill(book: Projected) -> None:
    book.happen(1, day(1), registered("Jane Smith", EMAIL="jane@old.example"))
    book.happen(2, day(2), registered("Acme 100%_Corp", "INSTITUTION", ADDRESS="1 Main St"))
    book.happen(3, day(3), registered("Jürgen GROẞ", PHONE="1"))
    book.happen(1, day(10), revised(EMAIL="jane@new.example", PHONE="1"))
    book.happen(1, day(20), revised("Jane Smith-Updated"))
    book.happen(4, day(3), registered("Retired", EMAIL="r@example.com"))
    book.happen(4, day(30), RETIRED, day(31))


@pytest.fixture(scope="module")
def client(conninfo: str) -> Iterator[TestClient]:
    with reading(conninfo) as client:
        yield client


def names(client: TestClient, query: str = "", path: str = ENTITIES) -> list[str]:
    answer = client.get(f"{path}?{query}")
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert found["count"] in {None, len(found["results"])}
    return [entity["display_name"] for entity in found["results"]]


def refused(answer: Any) -> dict[str, str]:
    assert answer.status_code == 400, answer.text
    return {error["field"]: error["code"] for error in answer.json()["errors"]}


def test_an_entity_has_its_details_by_type_each_with_its_own_start(client: TestClient) -> None:
    answer = client.get(f"{ENTITIES}/{uid(1)}")
    assert answer.status_code == 200
    entity = answer.json()
    assert [(d["detail_type"], d["detail_value"], d["valid_from"]) for d in entity["entity_details"]] == [
        ("EMAIL", "jane@new.example", "2024-01-10T00:00:00Z"),
        ("PHONE", "1", "2024-01-10T00:00:00Z"),
    ]
    assert entity["display_name"] == "Jane Smith-Updated"
    assert (entity["valid_from"], entity["valid_to"], entity["is_current"]) == ("2024-01-20T00:00:00Z", None, True)
    assert len(entity["hashdiff"]) == 64
    assert list(entity) == [
        "id",
        "entity_uid",
        "display_name",
        "entity_type",
        "valid_from",
        "valid_to",
        "is_current",
        "hashdiff",
        "entity_details",
    ]


def test_its_etag_is_the_last_event_and_its_change_points(client: TestClient) -> None:
    answer = client.get(f"{ENTITIES}/{uid(1)}")
    assert answer.headers["etag"] == '"00000000-0000-0000-0000-000000000005.7"'
    assert answer.headers["position"] == "7"
    assert answer.headers["as-of"].endswith("Z")
    again = client.get(f"{ENTITIES}/{uid(1)}", headers={"If-None-Match": f'"x", W/{answer.headers["etag"]}'})
    assert again.status_code == 304
    assert again.content == b""
    assert again.headers["etag"] == answer.headers["etag"]
    assert {"position", "as-of"} <= again.headers.keys()


def test_at_an_instant_it_is_what_it_was_with_the_details_of_then(client: TestClient) -> None:
    answer = client.get(f"{ENTITIES}/{uid(1)}?as_of=2024-01-09T23:59:59.999999Z")
    entity = answer.json()
    assert entity["display_name"] == "Jane Smith"
    assert (entity["valid_to"], entity["is_current"]) == ("2024-01-20T00:00:00Z", False)
    assert [d["detail_value"] for d in entity["entity_details"]] == ["jane@old.example"]
    assert answer.headers["as-of"] == "2024-01-09T23:59:59.999999Z"
    assert len(answer.headers["etag"]) == 34
    at = client.get(f"{ENTITIES}/{uid(1)}?as_of=2024-01-10").json()
    assert [d["detail_value"] for d in at["entity_details"]] == ["jane@new.example", "1"]


@pytest.mark.parametrize("path", [f"{uid(99)}", "nonsense", f"{{{uid(1)}}}", f"{uid(1)}?position=0"])
def test_what_does_not_exist_is_404(client: TestClient, path: str) -> None:
    answer = client.get(f"{ENTITIES}/{path}")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


@pytest.mark.parametrize("query", ["", "?as_of=2024-01-30", "?as_of=2024-06-01"])
def test_a_retired_entity_is_404_and_says_since_when(client: TestClient, query: str) -> None:
    answer = client.get(f"{ENTITIES}/{uid(4)}{query}")
    assert answer.status_code == 404
    problem = answer.json()
    assert problem["retired_since"] == "2024-01-30T00:00:00Z"
    assert client.get(problem["history"]).status_code == 200
    assert client.get(f"{ENTITIES}/{uid(4)}?as_of=2024-01-29").json()["display_name"] == "Retired"


def test_the_list_is_newest_first_then_by_uid(client: TestClient) -> None:
    assert names(client) == ["Jane Smith-Updated", "Jürgen GROẞ", "Acme 100%_Corp"]
    details = client.get(ENTITIES).json()["results"][0]["entity_details"]
    assert [detail["detail_type"] for detail in details] == ["EMAIL", "PHONE"]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("q=SMITH", ["Jane Smith-Updated"]),
        ("q=gross", ["Jürgen GROẞ"]),
        ("q=J%C3%9CRGEN", ["Jürgen GROẞ"]),
        ("q=%25", ["Acme 100%_Corp"]),
        ("q=_", ["Acme 100%_Corp"]),
        ("q=%5C", []),
        ("q=+corp+", ["Acme 100%_Corp"]),
        ("q=&type=&page=&order=&as_of=", ["Jane Smith-Updated", "Jürgen GROẞ", "Acme 100%_Corp"]),
        ("type=PERSON", ["Jane Smith-Updated", "Jürgen GROẞ"]),
        ("type=PERSON&q=j", ["Jane Smith-Updated", "Jürgen GROẞ"]),
        ("type=INSTITUTION&q=jane", []),
        ("order=display_name", ["Acme 100%_Corp", "Jane Smith-Updated", "Jürgen GROẞ"]),
        ("order=entity_uid", ["Jane Smith-Updated", "Acme 100%_Corp", "Jürgen GROẞ"]),
        ("detail_type=PHONE&detail_value=1", ["Jane Smith-Updated", "Jürgen GROẞ"]),
        ("detail_type=PHONE&detail_value=1&q=j%C3%BC&type=PERSON&order=display_name", ["Jürgen GROẞ"]),
        ("detail_type=EMAIL&detail_value=jane@old.example", []),
        ("as_of=2024-01-05", ["Jürgen GROẞ", "Retired", "Acme 100%_Corp", "Jane Smith"]),
        ("as_of=2024-01-05&order=display_name", ["Acme 100%_Corp", "Jane Smith", "Jürgen GROẞ", "Retired"]),
        ("as_of=2024-01-05&order=entity_uid", ["Jane Smith", "Acme 100%_Corp", "Jürgen GROẞ", "Retired"]),
        ("as_of=2024-01-05&detail_type=EMAIL&detail_value=jane@old.example", ["Jane Smith"]),
        ("as_of=2024-01-05&q=re&type=PERSON&order=entity_uid", ["Retired"]),
        ("as_of=2023-01-01", []),
        ("count=none&q=smith", ["Jane Smith-Updated"]),
    ],
)
def test_the_list_holds_what_was_asked_for(client: TestClient, query: str, expected: list[str]) -> None:
    assert names(client, query) == expected


def test_what_existed_at_an_instant_comes_by_uid_and_takes_what_the_list_takes(client: TestClient) -> None:
    path = "/api/v1/entities-asof/"
    assert names(client, "as_of=2024-01-05", path) == ["Jane Smith", "Acme 100%_Corp", "Jürgen GROẞ", "Retired"]
    assert names(client, "as_of=2024-01-30T00:00:00Z&type=PERSON", path) == ["Jane Smith-Updated", "Jürgen GROẞ"]
    assert names(client, "as_of=2024-01-05&q=100%25", path) == ["Acme 100%_Corp"]
    assert names(client, "as_of=2024-01-05&detail_type=PHONE&detail_value=1", path) == ["Jürgen GROẞ"]
    assert names(client, "as_of=2024-01-05&order=-valid_from", path)[0] == "Jürgen GROẞ"
    assert refused(client.get(path)) == {"as_of": "required"}
    assert refused(client.get(f"{path}?as_of=")) == {"as_of": "required"}


def test_pages_are_linked_and_past_the_end_the_count_is_true(client: TestClient) -> None:
    first = client.get(f"{ENTITIES}?page_size=2&q=").json()
    assert (first["count"], first["previous"], len(first["results"])) == (3, None, 2)
    second = client.get(first["next"]).json()
    assert (second["count"], second["next"], len(second["results"])) == (3, None, 1)
    assert client.get(second["previous"]).json() == first
    for query in ("", "&type=PERSON", "&q=j", "&as_of=2024-01-05", "&as_of=2024-01-05&order=entity_uid"):
        beyond = client.get(f"{ENTITIES}?page=9&page_size=2{query}").json()
        assert beyond["count"] == len(client.get(f"{ENTITIES}?page_size=500{query}").json()["results"])
        assert (beyond["results"], beyond["next"]) == ([], None)
        assert client.get(beyond["previous"]).json()["results"] != []


def test_uncounted_pages_say_whether_another_follows(client: TestClient) -> None:
    first = client.get(f"{ENTITIES}?page_size=2&count=none").json()
    assert (first["count"], len(first["results"])) == (None, 2)
    second = client.get(first["next"]).json()
    assert (second["count"], second["next"], len(second["results"])) == (None, None, 1)


@pytest.mark.parametrize(
    ("query", "field", "code"),
    [
        ("type=person", "type", "unknown_type"),
        ("type=GONE", "type", "unknown_type"),
        ("type=GONE&q=x", "type", "unknown_type"),
        ("type=GONE&as_of=2024-01-05", "type", "unknown_type"),
        ("type=GONE&as_of=2024-01-05&order=entity_uid", "type", "unknown_type"),
        ("detail_type=NONE&detail_value=1", "detail_type", "unknown_type"),
        ("detail_type=NONE&detail_value=1&as_of=2024-01-05", "detail_type", "unknown_type"),
        ("detail_type=PHONE", "detail_value", "required"),
        ("detail_value=1", "detail_type", "required"),
        (f"q={'x' * 256}", "q", "too_long"),
        ("q=%00", "q", "value_error"),
        ("order=name", "order", "literal_error"),
        ("page=0", "page", "greater_than_equal"),
        ("page=-1", "page", "not_whole"),
        ("page=1.0", "page", "not_whole"),
        ("page=9999999999999999999999", "page", "not_whole"),
        ("page_size=501", "page_size", "less_than_equal"),
        ("page_size=0", "page_size", "greater_than_equal"),
        ("count=some", "count", "literal_error"),
        ("min_position=x", "min_position", "not_whole"),
        ("min_position=9223372036854775808", "min_position", "less_than_equal"),
        ("as_of=tomorrow", "as_of", "invalid_instant"),
        ("as_of=0001-01-01T00:00:00%2B14:00", "as_of", "invalid_instant"),
        ("known_at=2999-01-01", "known_at", "future"),
        ("known_at=2024-01-01&position=1", "known_at", "repeated"),
        ("position=-1", "position", "not_whole"),
        ("cursor=abc", "cursor", "invalid_cursor"),
        ("cursor=*&page=2", "page", "repeated"),
        ("source=crm", "external_id", "required"),
        ("nonsense=1", "nonsense", "unknown"),
        ("page=1&page=2", "page", "repeated"),
    ],
)
def test_what_cannot_be_answered_is_refused_by_name(client: TestClient, query: str, field: str, code: str) -> None:
    assert refused(client.get(f"{ENTITIES}?{query}")) == {field: code}


def test_all_that_is_wrong_is_named_at_once(client: TestClient) -> None:
    answer = client.get(f"{ENTITIES}?page=x&as_of=x&nonsense=1")
    assert refused(answer).keys() == {"page", "as_of", "nonsense"}


def test_a_search_of_255_characters_is_answered(client: TestClient) -> None:
    assert names(client, f"q={'x' * 255}") == []


def test_a_list_has_the_hash_of_its_body_as_etag(client: TestClient) -> None:
    answer = client.get(f"{ENTITIES}?page_size=1")
    etag = answer.headers["etag"]
    assert client.get(f"{ENTITIES}?page_size=1", headers={"If-None-Match": etag}).status_code == 304
    assert client.get(f"{ENTITIES}?page_size=2", headers={"If-None-Match": etag}).status_code == 200


def test_head_answers_as_get_does(client: TestClient) -> None:
    answer = client.head(f"{ENTITIES}/{uid(1)}")
    assert answer.status_code == 200
    assert answer.headers["etag"] == client.get(f"{ENTITIES}/{uid(1)}").headers["etag"]


def test_a_wrong_token_is_refused_even_where_reads_are_public(client: TestClient, conninfo: str) -> None:
    assert client.get(ENTITIES, headers={"Authorization": "Token wrong"}).status_code == 401
    assert client.get(ENTITIES, headers={"Authorization": f"token {TOKEN}"}).status_code == 200
    with reading(conninfo, public=False) as private:
        assert private.get(ENTITIES).status_code == 401
        assert private.get(ENTITIES, headers={"Authorization": f"Bearer {TOKEN}"}).status_code == 200
