"""Pages by cursor: pinned to the point of the first one, they join up exactly, whatever is written meanwhile."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from fastapi.testclient import TestClient
from httpx2 import URL

from tests.conftest import Clone
from tests.integration.reading import RETIRED, TOKEN, Projected, day, projected, reading, registered, revised, uid

ME = {"Authorization": f"Token {TOKEN}"}
SCHEDULED = day(40_000)
Site = tuple[TestClient, Projected]


@contextmanager
def seven(clone: Clone) -> Iterator[Site]:
    """Give seven entities, one of them corrected; for each something is to come."""
    with clone() as conninfo, projected(conninfo) as book, reading(conninfo) as client:
        for number in range(1, 8):
            book.happen(number, day(1 + number % 3), registered("ABC"[number % 3], EMAIL=str(number)))
            book.happen(number, SCHEDULED, revised(f"Later {number}", EMAIL=None), day(5))
        book.happen(1, day(2), revised("Corrected", PHONE="1"), day(6))
        yield client, book


@pytest.fixture
def site(clone: Clone) -> Iterator[Site]:
    """The seven, for a test that writes more."""
    with seven(clone) as found:
        yield found


@pytest.fixture(scope="module")
def still(clone: Clone) -> Iterator[TestClient]:
    """The seven, for tests that only read."""
    with seven(clone) as (client, _):
        yield client


def ask(client: TestClient, url: str) -> dict[str, Any]:
    answer = client.get(url, headers=ME)
    assert answer.status_code == 200, answer.text
    page: dict[str, Any] = answer.json()
    return page


def disturb(book: Projected, number: int) -> None:
    """Write whatever would move a page: a new entity, a correction, an end."""
    book.happen(100 + number, day(2), registered("AB"[number % 2], EMAIL="x"), day(20 + number))
    book.happen(1 + number % 7, day(3), revised(f"Moved {number}", EMAIL="moved"), day(20 + number))
    if number == 2:
        book.happen(7, day(4), RETIRED, day(20 + number))


LISTS = [
    "entities?order=-valid_from",
    "entities?order=display_name",
    "entities?order=entity_uid",
    "entities?type=PERSON",
    "entities?q=b&type=PERSON",
    "entities?detail_type=EMAIL&detail_value=3",
    "entities-asof/?as_of=2024-01-03",
    "entities-asof/?as_of=2024-01-03&type=PERSON",
    "entities?as_of=2024-01-03&position=10",
    f"entities/{uid(1)}/history?include=superseded",
    f"entities/{uid(1)}/history?order=-valid_from&include=superseded",
    f"entities/{uid(1)}/history?as_of=2024-01-03",
    "scheduled?as_of=2024-01-02",
    "scheduled?",
    f"scheduled?entity_uid={uid(2)}",
    "audit?operation=INSERT",
    "entity-types?",
]


@pytest.mark.parametrize("path", LISTS)
def test_pages_joined_are_the_whole_list_as_it_was_at_the_first(site: Site, path: str) -> None:
    client, book = site
    whole = ask(client, f"/api/v1/{path}&page_size=500")
    pages = [ask(client, f"/api/v1/{path}&page_size=2&cursor=*")]
    assert pages[0]["previous"] is None
    while pages[-1]["next"]:
        disturb(book, len(pages))
        pages.append(ask(client, pages[-1]["next"]))
    assert [item for page in pages for item in page["results"]] == whole["results"]
    assert {page["count"] for page in pages} == {len(whole["results"])}
    assert all(len(page["results"]) == 2 for page in pages[:-1])
    back = [pages[-1]]
    while back[0]["previous"]:
        disturb(book, 50 + len(back))
        back.insert(0, ask(client, back[0]["previous"]))
    assert [page["results"] for page in back] == [page["results"] for page in pages]


def test_every_page_tells_the_same_position_and_instant(site: Site) -> None:
    client, book = site
    first = client.get("/api/v1/entities?cursor=*&page_size=3&count=none")
    disturb(book, 1)
    second = client.get(first.json()["next"])
    assert first.json()["count"] is second.json()["count"] is None
    assert [first.headers[name] for name in ("position", "as-of")] == [
        second.headers[name] for name in ("position", "as-of")
    ]
    assert second.headers["position"] == "15"


@pytest.mark.parametrize("cursor", ["abc", "**", "!", "W10", "WyJ4Il0", "é", "A" * 5000])
def test_what_is_no_cursor_is_refused(still: TestClient, cursor: str) -> None:
    answer = still.get("/api/v1/entities", params={"cursor": cursor})
    assert answer.status_code == 400
    assert [(error["field"], error["code"]) for error in answer.json()["errors"]] == [("cursor", "invalid_cursor")]


def test_a_cursor_belongs_to_its_list_and_its_parameters(still: TestClient) -> None:
    following = ask(still, "/api/v1/entities?cursor=*&page_size=2&type=PERSON")["next"]
    for other in (following.replace("type=PERSON", "q=a"), following.replace("/entities", "/scheduled")):
        answer = still.get(other.replace("type=PERSON", ""))
        assert [error["code"] for error in answer.json()["errors"]] == ["other_cursor"]
    assert len(ask(still, following.replace("page_size=2", "page_size=3"))["results"]) == 3
    refused = still.get(f"{following}&page=2")
    assert [error["field"] for error in refused.json()["errors"]] == ["page"]


def test_types_are_not_told_of_another_time(still: TestClient) -> None:
    for query in ("known_at=2024-01-01", "position=1"):
        answer = still.get(f"/api/v1/entity-types?{query}")
        assert [error["code"] for error in answer.json()["errors"]] == ["not_applicable"]


EVERY_PART = ["2024-01-01T00:00:00Z", "x", str(uid(1)), 5]
FORGERIES: dict[str, dict[int, Any]] = {
    "now before the year 1": {1: "0001-01-01T00:00:00+14:00"},
    "now after the year 9999": {1: "9999-12-31T23:59:59-14:00"},
    "now without an offset": {1: "2024-01-01T00:00:00"},
    "a position below zero": {2: -1},
    "a position beyond all": {2: 2**63},
    "a key without parts": {3: []},
    "a key of null": {3: [None]},
    "a key with an instant before the year 1": {3: ["0001-01-01T00:00:00+14:00", "x", str(uid(1)), 5]},
    "a key with all parts": {3: EVERY_PART},
    "a key with parts that there are not": {3: [None, None, str(uid(1)), None, 5]},
    "a key with NUL": {3: [None, "\0"]},
    "a key with a number beyond all": {3: [None, None, None, 10**30]},
    "a key of brackets": {3: [None, None, None, None, json.loads("[" * 900 + "]" * 900)]},
    "a count below zero": {5: -5},
    "a count beyond all": {5: 10**30},
    "one element more": {6: None},
}


def forged(url: str, changes: dict[int, Any]) -> URL:
    """Return a link with elements of its cursor replaced, or added behind the last."""
    link = URL(url)
    cursor = json.loads(urlsafe_b64decode(link.params["cursor"] + "=="))
    elements = dict(enumerate(cursor)) | changes
    text = json.dumps([elements[index] for index in sorted(elements)], separators=(",", ":"))
    return link.copy_set_param("cursor", urlsafe_b64encode(text.encode()).decode().rstrip("="))


LONGER = [
    *(path for path in LISTS if "detail_value" not in path),
    "diff?from=2024-01-01&to=2024-02-01",
    "detail-types?",
]
"""Lists of more than one item."""


@pytest.mark.parametrize("path", LONGER)
def test_a_forged_cursor_is_refused_by_every_list(still: TestClient, path: str) -> None:
    following = ask(still, f"/api/v1/{path}&page_size=1&cursor=*")["next"]
    assert still.get(str(forged(following, {})), headers=ME).status_code == 200
    key = json.loads(urlsafe_b64decode(URL(following).params["cursor"] + "=="))[3]
    own = {place for place, part in enumerate(key) if part is not None}
    alone = {
        f"a key of part {place} alone": {3: [None] * place + [part]}
        for place, part in enumerate(EVERY_PART)
        if own != {place}
    }
    for name, changes in (FORGERIES | alone).items():
        answer = still.get(str(forged(following, changes)), headers=ME)
        assert answer.status_code == 400, f"{name}: {answer.text}"
        errors = [(error["field"], error["code"]) for error in answer.json()["errors"]]
        assert errors == [("cursor", "invalid_cursor")], name


@pytest.mark.parametrize("filters", ["", "operation=INSERT", "actor=test", f"entity_uid={uid(1)}", "both"])
def test_any_number_that_a_bigint_has_is_the_key_of_a_page(still: TestClient, filters: str) -> None:
    entry = ask(still, "/api/v1/audit?page_size=1")["results"][0]
    only = {"both": f"actor={entry['actor']}&operation={entry['operation']}", "actor=test": f"actor={entry['actor']}"}
    following = ask(still, f"/api/v1/audit?{only.get(filters, filters)}&page_size=1&cursor=*")["next"]
    for number in (-(2**63), 65535 - 2**63, -1, 0, 2**63 - 1):
        for backward in (False, True):
            answer = still.get(str(forged(following, {3: [None, None, None, number], 4: backward})), headers=ME)
            assert answer.status_code == 200, (number, backward, answer.text)
            assert len(answer.json()["results"]) == (backward == (number <= 0))
