"""The audit trail and the types over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest
from fastapi.testclient import TestClient
from psycopg.types.json import Json

from shared.core.turn import ROWS_PER_EVENT
from shared.http.instants import show
from tests.conftest import Clone
from tests.integration.reading import TOKEN, day, projected, reading, uid

AUDIT = "/api/v1/audit"
ME = {"Authorization": f"Token {TOKEN}"}


@pytest.fixture(scope="module")
def client(clone: Clone) -> Iterator[TestClient]:
    with clone() as conninfo:
        with projected(conninfo) as book:
            for number in range(1, 7):
                book.insert(
                    "audit_entry",
                    audit_id=number * ROWS_PER_EVENT,
                    position=number,
                    actor="user_1" if number < 4 else "user_2",
                    recorded_at=day(number),
                    entity_uid=uid(number % 2),
                    table_name="entity_detail" if number == 6 else "entity",
                    operation="INSERT" if number < 3 else "UPDATE",
                    detail_code="EMAIL" if number == 6 else None,
                    before_value=None if number < 3 else Json({"display_name": "A"}),
                    after_value=Json({"display_name": "Ü"}),
                    request_id=f"request-{number}",
                    ip_address="127.0.0.1",
                    user_agent=None,
                    event_id=UUID(int=number),
                    reason="A slip" if number == 6 else None,
                )
        with reading(conninfo) as client:
            yield client


def positions(client: TestClient, query: str) -> list[int]:
    answer = client.get(f"{AUDIT}?{query}", headers=ME)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    assert found["count"] == len(found["results"])
    return [entry["position"] for entry in found["results"]]


def test_the_audit_trail_needs_a_token_where_other_reads_do_not(client: TestClient) -> None:
    answer = client.get(AUDIT)
    assert answer.status_code == 401
    assert "www-authenticate" in answer.headers


def test_an_entry_says_who_what_and_by_which_request(client: TestClient) -> None:
    answer = client.get(f"{AUDIT}?page_size=1", headers=ME)
    assert answer.json()["count"] == 6
    assert answer.json()["results"] == [
        {
            "audit_id": 6 * ROWS_PER_EVENT,
            "actor": "user_2",
            "timestamp": "2024-01-06T00:00:00Z",
            "entity_uid": str(uid(0)),
            "table_name": "entity_detail",
            "operation": "UPDATE",
            "detail_code": "EMAIL",
            "before_value": {"display_name": "A"},
            "after_value": {"display_name": "Ü"},
            "request_id": "request-6",
            "ip_address": "127.0.0.1",
            "user_agent": None,
            "position": 6,
            "event_id": str(UUID(int=6)),
            "reason": "A slip",
        }
    ]
    assert client.get(f"{AUDIT}?request_id=request-1", headers=ME).json()["results"][0]["before_value"] is None


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", [6, 5, 4, 3, 2, 1]),
        (f"entity_uid={uid(1)}", [5, 3, 1]),
        ("actor=user_1", [3, 2, 1]),
        ("operation=INSERT", [2, 1]),
        ("from=2024-01-02&to=2024-01-04", [3, 2]),
        ("request_id=request-5", [5]),
        (f"actor=user_1&operation=UPDATE&entity_uid={uid(1)}", [3]),
        ("actor=nobody", []),
    ],
)
def test_the_newest_entries_that_match_every_filter_come_first(
    client: TestClient, query: str, expected: list[int]
) -> None:
    assert positions(client, query) == expected


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("entity_uid=x", "entity_uid"),
        ("operation=insert", "operation"),
        ("from=2024-01-02&to=2024-01-02", "from"),
        ("to=x", "to"),
        ("nonsense=x", "nonsense"),
    ],
)
def test_an_audit_filter_that_cannot_be_is_refused_by_name(client: TestClient, query: str, field: str) -> None:
    answer = client.get(f"{AUDIT}?{query}", headers=ME)
    assert answer.status_code == 400
    assert [error["field"] for error in answer.json()["errors"]] == [field]


def test_types_come_by_code_active_or_not(client: TestClient) -> None:
    page = client.get("/api/v1/entity-types").json()
    assert page["count"] == 3
    assert page["results"][0] == {"code": "GONE", "name": "Gone", "description": "", "is_active": False}
    assert [found["code"] for found in page["results"]] == ["GONE", "INSTITUTION", "PERSON"]
    page = client.get("/api/v1/detail-types?page_size=2&page=2").json()
    assert [found["code"] for found in page["results"]] == ["PHONE"]


@pytest.mark.parametrize(
    "path", ["entity-types", "detail-types", "entities", "audit", "diff?from=2024-01-01&to=2024-01-02"]
)
def test_every_read_tells_its_position_and_instant(client: TestClient, path: str) -> None:
    answer = client.get(f"/api/v1/{path}", headers=ME)
    assert {"etag", "position", "as-of"} <= answer.headers.keys()
    again = client.get(f"/api/v1/{path}", headers=ME | {"If-None-Match": answer.headers["etag"]})
    assert again.status_code == 304
    joint = "&" if "?" in path else "?"
    dated = client.get(f"/api/v1/{path}{joint}as_of=2024-01-01&min_position=0", headers=ME)
    assert dated.headers["as-of"] == "2024-01-01T00:00:00Z"


@pytest.mark.parametrize("path", ["entities", "scheduled", "audit", "entity-types", "detail-types"])
def test_now_is_never_before_what_the_projector_took_for_now(clone: Clone, path: str) -> None:
    with clone() as conninfo, projected(conninfo) as book, reading(conninfo) as client:
        book.tick(day(40_000))
        assert client.get(f"/api/v1/{path}", headers=ME).headers["as-of"] == show(day(40_000))
