"""Every version and every change to come names the event since which it has been believed, whatever was said later."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest
from fastapi.testclient import TestClient

from shared.core.events import EntityRevised
from shared.http.instants import show
from tests.conftest import Clone
from tests.integration.reading import RETIRED, day, projected, reading, registered, revised, uid

ENTITIES = "/api/v1/entities"
FAR = 40_000
RECORDED = day(9)


@pytest.fixture(scope="module")
def client(clone: Clone) -> Iterator[TestClient]:
    """One entity whose B got its end from C, and then from D; one that two events change at an instant."""
    with clone() as conninfo, projected(conninfo) as book:
        book.happen(1, day(1), registered("A", EMAIL="a"))
        book.happen(1, day(FAR), revised("B", EMAIL="b"), RECORDED, reason="B")
        book.happen(1, day(FAR + 90), revised("C", EMAIL="c"), RECORDED, reason="C")
        book.happen(1, day(FAR + 60), revised("D", EMAIL="d"), RECORDED, reason="D")
        book.happen(2, day(1), registered("A"), RECORDED)
        book.happen(2, day(FAR), revised("B"), RECORDED, reason="name")
        book.happen(2, day(FAR), EntityRevised(entity_type="INSTITUTION"), RECORDED, reason="type")
        book.happen(3, day(1), registered("From its start"), RECORDED)
        book.happen(3, day(1), RETIRED, RECORDED)
        with reading(conninfo) as client:
            yield client


def results(client: TestClient, path: str) -> list[dict[str, Any]]:
    answer = client.get(path)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["results"]
    return found


def cause(item: dict[str, Any]) -> tuple[int, str | None]:
    assert item["actor"] == "user_1"
    return UUID(item["event_id"]).int, item["reason"]


@pytest.mark.parametrize(("field", "column"), [("display_name", "display_name"), ("details.EMAIL", "detail_value")])
def test_a_version_names_the_event_it_began_with_though_a_later_one_moved_its_end(
    client: TestClient, field: str, column: str
) -> None:
    found = results(client, f"{ENTITIES}/{uid(1)}/history?field={field}")
    assert [(item["changes"][column].upper(), *cause(item)) for item in found] == [
        ("A", 1, None),
        ("B", 2, "B"),
        ("D", 4, "D"),
        ("C", 3, "C"),
    ]
    assert [item["position"] for item in found] == [1, 4, 4, 3]


def test_what_was_believed_before_names_the_event_it_began_with_as_well(client: TestClient) -> None:
    found = results(client, f"{ENTITIES}/{uid(1)}/history?field=display_name&include=superseded")
    corrected = [item for item in found if item["recorded_to"]]
    assert [(item["changes"]["display_name"], *cause(item)) for item in corrected] == [("B", 2, "B")]
    assert corrected[0]["recorded_to"] == show(RECORDED)


def test_a_change_to_come_names_the_event_that_scheduled_it_though_a_later_one_moved_its_end(
    client: TestClient,
) -> None:
    found = results(client, f"/api/v1/scheduled?entity_uid={uid(1)}")
    assert [(item["field"], item["after"], *cause(item)) for item in found] == [
        ("display_name", "B", 2, "B"),
        ("details.EMAIL", "b", 2, "B"),
        ("display_name", "D", 4, "D"),
        ("details.EMAIL", "d", 4, "D"),
        ("display_name", "C", 3, "C"),
        ("details.EMAIL", "c", 3, "C"),
    ]


def test_of_two_events_of_an_instant_each_field_names_its_own(client: TestClient) -> None:
    found = results(client, f"/api/v1/scheduled?entity_uid={uid(2)}")
    assert [(item["field"], *cause(item)) for item in found] == [
        ("display_name", 6, "name"),
        ("entity_type", 7, "type"),
    ]


@pytest.mark.parametrize("query", ["", "?as_of=2024-06-01", "?as_of=2023-06-01", "?position=9"])
def test_what_was_retired_from_its_very_start_on_is_retired(client: TestClient, query: str) -> None:
    answer = client.get(f"{ENTITIES}/{uid(3)}{query}")
    assert (answer.status_code, answer.json()["code"]) == (404, "retired")
    assert answer.json()["retired_since"] == show(day(1))
    assert f"retired since {show(day(1))};" in answer.json()["detail"]
    assert client.get(answer.json()["history"]).status_code == 200


@pytest.mark.parametrize("path", [f"{uid(3)}?position=7", f"{uid(4)}", f"{uid(4)}?as_of=2024-06-01"])
def test_what_nobody_had_registered_is_unknown(client: TestClient, path: str) -> None:
    answer = client.get(f"{ENTITIES}/{path}")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
