"""Lists as CSV: whole, the same as their pages joined up, and pinned to one point whatever is written meanwhile."""

from __future__ import annotations

import asyncio
import csv
import json
from collections.abc import Callable, Iterator
from functools import partial
from io import StringIO
from typing import Any

import psycopg
import pytest
from fastapi.testclient import TestClient

from db.pool import Dsns, make_pool
from db.waiting import Waiter
from read_side.queries import ReadModel
from read_side.questions import Asked, Chronicle, Filters, Known, Trail, Window
from read_side.walking import detail_codes, walk
from tests.conftest import Clone
from tests.integration.filling import FILL
from tests.integration.reading import RETIRED, TOKEN, Projected, day, projected, reading, registered, revised, uid

MANY = 1600
"""More than three pages of a walk."""
ME = {"Authorization": f"Token {TOKEN}"}
ENTITY = ("id", "entity_uid", "display_name", "entity_type", "valid_from", "valid_to", "is_current", "hashdiff")
Rows = list[dict[str, str]]


@pytest.fixture(scope="module")
def site(clone: Clone) -> Iterator[TestClient]:
    """Many entities, one with a long history; some retired, corrected, scheduled."""
    with clone() as conninfo:
        with psycopg.connect(conninfo, autocommit=True) as connection:
            connection.execute(FILL.replace("100000", str(MANY)).encode())
            connection.execute("ANALYZE")
        with projected(conninfo) as book:
            book.position = MANY
            for number in range(520):
                book.happen(
                    1,
                    day(number + 1),
                    revised(f'Jo, "the {number}."', PHONE=str(number)) if number else registered("Jo", EMAIL="a,b"),
                    day(4000 + number),
                )
            book.happen(2, day(1), registered("=Sum", ADDRESS="1 Main St\nGotham"), day(5000))
            book.happen(2, day(9), RETIRED, day(5001))
            book.happen(2, day(3), revised("Corrected", EMAIL=None, ADDRESS=None), day(5002), reason="told late, twice")
        with reading(conninfo) as client:
            yield client


def table(client: TestClient, path: str, **headers: str) -> Rows:
    answer = client.get(f"/api/v1/{path}", headers={**ME, "Accept": "text/csv", **headers})
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "text/csv; charset=utf-8; header=present"
    return list(csv.DictReader(StringIO(answer.content.decode(), newline=""), strict=True))


def pages(client: TestClient, path: str) -> list[dict[str, Any]]:
    """Return the items of a list, walked as a client walks it."""
    items, url = [], f"/api/v1/{path}&page_size=400&cursor=*"
    while url:
        answer = client.get(url, headers=ME)
        assert answer.status_code == 200, answer.text
        items += answer.json()["results"]
        url = answer.json()["next"]
    return items


def shown(value: object) -> str:
    """Return a value of JSON as a cell has it."""
    if value is None or isinstance(value, str):
        return value or ""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def of_entity(item: dict[str, Any]) -> Rows:
    details = {f"details.{code}": "" for code in ("ADDRESS", "EMAIL", "PHONE")}
    details |= {f"details.{detail['detail_type']}": detail["detail_value"] for detail in item["entity_details"]}
    return [{name: shown(item[name]) for name in ENTITY} | details]


def of_diff(item: dict[str, Any]) -> Rows:
    return [
        {"entity_uid": item["entity_uid"], **{name: shown(value) for name, value in change.items()}}
        for change in item["changes"]
    ]


def of_version(item: dict[str, Any]) -> Rows:
    content = dict.fromkeys(("display_name", "entity_type", "detail_type", "detail_value"), "") | item.pop("changes")
    return [{name: shown(value) for name, value in item.items()} | content]


def of_entry(item: dict[str, Any]) -> Rows:
    return [{name: shown(value) for name, value in item.items()}]


@pytest.mark.parametrize(
    ("path", "rows", "least"),
    [
        ("entities?order=-valid_from", of_entity, MANY),
        ("entities?order=display_name", of_entity, MANY),
        ("entities?order=entity_uid&q=name", of_entity, MANY),
        ("entities?type=INSTITUTION", of_entity, 16),
        ("entities?detail_type=EMAIL&detail_value=nobody", of_entity, 0),
        ("entities-asof/?as_of=2024-01-04", of_entity, 2),
        (f"entities-asof?as_of=2024-01-03T12:00:00Z&position={MANY + 521}", of_entity, 2),
        ("diff?from=2023-12-31&to=2024-03-01", of_diff, MANY),
        ("diff?from=2023-12-31&to=2024-06-01&mode=changes", of_diff, MANY),
        (f"diff?from=2024-01-02&to=2024-01-05&entity_uid={uid(2)}", of_diff, 1),
        (f"entities/{uid(1)}/history?order=-valid_from", of_version, 1040),
        (f"entities/{uid(2)}/history?include=superseded", of_version, 4),
        ("audit?operation=INSERT", of_entry, MANY + 522),
        (f"audit?entity_uid={uid(2)}", of_entry, 3),
    ],
)
def test_a_table_is_all_the_pages_joined(
    site: TestClient, path: str, rows: Callable[[dict[str, Any]], Rows], least: int
) -> None:
    found = table(site, path)
    assert found == [row for item in pages(site, path) for row in rows(item)]
    assert len(found) >= least


def test_an_empty_table_has_its_header(site: TestClient) -> None:
    answer = site.get("/api/v1/entities?q=nobody-is-called-this&format=csv")
    assert answer.text == ",".join([*ENTITY, "details.ADDRESS", "details.EMAIL", "details.PHONE"]) + "\r\n"


def test_the_headers_say_what_it_is_and_at_which_point(site: TestClient) -> None:
    answer = site.get("/api/v1/entities?as_of=2024-01-03&format=csv")
    assert answer.headers["content-disposition"] == 'attachment; filename="entities.csv"'
    assert answer.headers["as-of"] == "2024-01-03T00:00:00Z"
    assert answer.headers["position"] == str(MANY + 523)
    assert answer.headers["vary"] == "Accept"
    assert "etag" not in answer.headers
    of_one = site.get(f"/api/v1/entities/{uid(1)}/history?format=csv")
    assert of_one.headers["content-disposition"] == f'attachment; filename="history-{uid(1)}.csv"'
    plain = site.get("/api/v1/entities")
    assert plain.headers["vary"] == "Accept"
    assert site.get("/api/v1/entities", headers={"If-None-Match": "*"}).headers["vary"] == "Accept"
    assert "vary" not in site.get("/api/v1/entity-types").headers


@pytest.mark.parametrize("path", ["entities?", "entities-asof?as_of=2024-01-03", f"entities/{uid(1)}/history?"])
def test_head_has_the_headers_alone(site: TestClient, path: str) -> None:
    asked = {"Accept": "text/csv"}
    head, whole = (getattr(site, method)(f"/api/v1/{path}", headers=asked) for method in ("head", "get"))
    assert head.status_code == 200
    assert head.content == b""
    changing = {"x-request-id", "as-of"}
    assert {k: v for k, v in head.headers.items() if k not in changing} == {
        k: v for k, v in whole.headers.items() if k not in changing
    }


def test_the_parameter_wins_over_accept(site: TestClient) -> None:
    def kind(accept: str, query: str) -> str:
        answer = site.get(f"/api/v1/entities?q=Jo{query}", headers={"Accept": accept})
        assert answer.status_code == 200, answer.text
        return str(answer.headers["content-type"].partition(";")[0])

    assert kind("text/csv", "&format=json") == "application/json"
    assert kind("text/html", "&format=csv") == "text/csv"
    assert kind("text/csv", "&format=") == "text/csv"
    assert kind("*/*", "") == "application/json"
    refused = site.get("/api/v1/entities?format=xml")
    assert [error["field"] for error in refused.json()["errors"]] == ["format"]


def test_what_has_no_table_has_none(site: TestClient) -> None:
    for path in (f"entities/{uid(1)}", "entity-types", "scheduled"):
        assert site.get(f"/api/v1/{path}", headers={"Accept": "text/csv"}).status_code == 406
        refused = site.get(f"/api/v1/{path}?format=csv")
        assert [(error["field"], error["code"]) for error in refused.json()["errors"]] == [("format", "unknown")]


def test_a_table_has_no_pages(site: TestClient) -> None:
    asked = {"page": "1", "page_size": "5", "cursor": "*", "count": "none"}
    for name, value in asked.items():
        refused = site.get("/api/v1/entities", params={name: value, "format": "csv"})
        assert refused.status_code == 400
        assert [(error["field"], error["code"]) for error in refused.json()["errors"]] == [(name, "not_applicable")]
    refused = site.get("/api/v1/entities", params=asked, headers={"Accept": "text/csv"})
    assert {error["field"] for error in refused.json()["errors"]} == asked.keys()


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("entities?type=NONE", 400),
        ("entities?nonsense=1", 400),
        ("diff?from=2024-01-01", 400),
        (f"entities/{uid(99)}/history?", 404),
        ("audit?", 401),
        ("entities?min_position=9999999", 503),
    ],
)
def test_what_is_wrong_is_a_problem_and_no_table(site: TestClient, path: str, status: int) -> None:
    for method in ("GET", "HEAD"):
        answer = site.request(method, f"/api/v1/{path}&format=csv")
        assert answer.status_code == status
        assert answer.headers["content-type"] == "application/problem+json"


def test_a_detail_without_a_registered_type_is_refused_rather_than_left_out(clone: Clone) -> None:
    with clone() as conninfo, projected(conninfo) as book, reading(conninfo) as client:
        book.happen(1, day(1), registered("A", FAX="1"))
        answer = client.get("/api/v1/entities?format=csv")
        assert answer.status_code == 503
        assert "no column for FAX" in answer.json()["detail"]


def disturb(book: Projected, number: int) -> None:
    """Write whatever would move a page: a new entity, a correction, an end."""
    book.happen(100 + number, day(2), registered("AB"[number % 2], EMAIL="x"), day(20 + number))
    book.happen(1 + number % 7, day(3), revised(f"Moved {number}", EMAIL="moved"), day(20 + number))
    if number == 2:
        book.happen(7, day(4), RETIRED, day(20 + number))


def test_what_is_written_meanwhile_does_not_disturb(clone: Clone) -> None:
    lists: list[tuple[str, Any, Asked]] = [
        ("entities", Filters(), Asked()),
        ("entities", Filters(order="display_name"), Asked()),
        ("entities", Filters(order="entity_uid"), Asked(as_of=day(3))),
        ("entities", Filters(), Asked(as_of=day(3), known=Known(position=6))),
        ("audit", Trail(), Asked()),
        ("diff", Window(start=day(1), end=day(9)), Asked()),
        ("diff", Window(start=day(1), end=day(9), mode="changes"), Asked()),
        ("diff", Window(start=day(0), mode="knowledge", known_from=Known(position=1)), Asked()),
        ("history", Chronicle(superseded=True), Asked()),
    ]

    async def walked(conninfo: str, book: Projected) -> None:
        dsn = Dsns(conninfo).of("read")
        async with make_pool(dsn, 2) as pool:
            read = ReadModel(pool, 10, 0.3, Waiter(dsn))
            for name, what, asked in lists:
                ask = partial(getattr(read, name), *([uid(1)] if name == "history" else []), what)
                whole = await walk(ask, asked)
                (expected,) = [page async for page in whole.pages]
                assert len(expected) > 4
                slow = await walk(ask, asked, 2)
                found = []
                async for page in slow.pages:
                    found += page
                    disturb(book, book.position)
                assert slow.position == whole.position
                assert found == expected
                assert len(await detail_codes(read)) == 3

    with clone() as conninfo, projected(conninfo) as book:
        for number in range(1, 8):
            book.happen(number, day(1 + number % 3), registered("ABC"[number % 3], EMAIL=str(number)))
        book.happen(1, day(2), revised("Corrected", PHONE="1"), day(6))
        book.happen(1, day(4), revised("Again", PHONE="2"), day(6))
        asyncio.run(walked(conninfo, book))
