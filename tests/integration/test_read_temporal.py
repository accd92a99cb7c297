"""History and diff over HTTP; diff against the states that the single entity has at both ends."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest
from fastapi.testclient import TestClient

from shared.core.events import EntityEvent, EntityReopened
from tests.conftest import Clone
from tests.integration.reading import RETIRED, Projected, day, projected, reading, registered, revised, uid

DIFF = "/api/v1/diff/"
ENTITIES = 24
DAYS = 40


@pytest.fixture(scope="module")
def client(clone: Clone) -> Iterator[TestClient]:
    with clone() as conninfo:
        with projected(conninfo) as book:
            fill(book)
        with reading(conninfo) as client:
            yield client


def fill(book: Projected) -> None:
    book.happen(1, day(1), registered("Jane", EMAIL="old"), day(100))
    book.happen(1, day(5), revised(EMAIL="mid"), day(101))
    book.happen(1, day(9), revised("Jane Updated", EMAIL="new", PHONE="1"), day(102), reason="moved")
    book.happen(1, day(12), RETIRED, day(103))
    chance = random.Random(7)  # noqa: S311  # made-up histories, the same in every run
    for number in range(2, ENTITIES):
        book.happen(number, day(1 + number % 5), registered(chance.choice("ABC"), PHONE=chance.choice("12")))
        exists = True
        for at in sorted(chance.sample(range(7, DAYS), 10)):
            event: EntityEvent
            if chance.random() < 0.2:
                event, exists = (RETIRED, False) if exists else (EntityReopened(), True)
            elif not exists:
                continue
            else:
                event = revised(
                    chance.choice(["A", "B", None]),
                    **{chance.choice(["EMAIL", "PHONE"]): chance.choice(["1", "2", None])},
                )
            book.happen(number, day(at), event)


def everything(client: TestClient, url: str) -> list[dict[str, Any]]:
    """Return the items of all pages, whose count must be true."""
    found: list[dict[str, Any]] = []
    page: dict[str, Any] = {"next": url}
    while page["next"]:
        answer = client.get(page["next"])
        assert answer.status_code == 200, answer.text
        page = answer.json()
        found += page["results"]
    assert page["count"] == len(found)
    return found


def state(client: TestClient, number: int, at: int) -> dict[str, Any]:
    answer = client.get(f"/api/v1/entities/{uid(number)}", params={"as_of": day(at).isoformat()})
    if answer.status_code == 404:
        return {}
    entity = answer.json()
    fields = {"exists": True, "display_name": entity["display_name"], "entity_type": entity["entity_type"]}
    return fields | {f"details.{detail['detail_type']}": detail["detail_value"] for detail in entity["entity_details"]}


def applied(before: dict[str, Any], changes: list[dict[str, Any]]) -> dict[str, Any]:
    after = dict(before)
    for change in changes:
        assert after.pop(change["field"], False if change["field"] == "exists" else None) == change["before"]
        if change["after"] not in {None, False}:
            after[change["field"]] = change["after"]
    return after


def url(start: int, end: int, **more: Any) -> str:
    rest = "".join(f"&{name}={value}" for name, value in more.items())
    return f"{DIFF}?from={day(start):%Y-%m-%d}&to={day(end):%Y-%m-%d}{rest}"


@pytest.mark.parametrize(("start", "end"), [(-3, 3), (4, 8), (8, 20), (19, 21), (1, 60), (39, 60)])
@pytest.mark.parametrize("mode", ["net", "changes"])
def test_a_diff_takes_every_entity_from_one_state_to_the_other(
    client: TestClient, start: int, end: int, mode: str
) -> None:
    found = {
        item["entity_uid"]: item["changes"] for item in everything(client, url(start, end, mode=mode, page_size=4))
    }
    assert list(found) == sorted(found)
    for number in range(1, ENTITIES):
        before, after = state(client, number, start), state(client, number, end)
        changes = found.get(str(uid(number)), [])
        assert applied(before, changes) == after
        if mode == "net":
            assert (str(uid(number)) in found) == (before != after)
        alone = everything(client, url(start, end, mode=mode, entity_uid=uid(number)))
        assert alone == ([{"entity_uid": str(uid(number)), "changes": changes}] if changes else [])


def test_the_net_difference_has_the_instant_of_each_fields_last_change(client: TestClient) -> None:
    (found,) = everything(client, url(2, 10, entity_uid=uid(1)))
    assert found["changes"] == [
        {
            "field": "display_name",
            "before": "Jane",
            "after": "Jane Updated",
            **made("changed"),
        },
        {"field": "details.EMAIL", "before": "old", "after": "new", **made("changed")},
        {"field": "details.PHONE", "before": None, "after": "1", **made("added")},
    ]
    members = ["field", "before", "after", "change_timestamp", "change_type", "event_id", "actor", "reason"]
    assert list(found["changes"][0]) == members


def made(change_type: str) -> dict[str, Any]:
    """Return what a change of the third event, the one of day 9, says of it."""
    return {
        "change_timestamp": "2024-01-09T00:00:00Z",
        "change_type": change_type,
        "event_id": str(UUID(int=3)),
        "actor": "user_1",
        "reason": "moved",
    }


def test_every_change_has_its_own_instant(client: TestClient) -> None:
    (found,) = everything(client, url(2, 10, entity_uid=uid(1), mode="changes"))
    assert [(change["field"], change["after"], change["change_timestamp"][8:10]) for change in found["changes"]] == [
        ("details.EMAIL", "mid", "05"),
        ("display_name", "Jane Updated", "09"),
        ("details.EMAIL", "new", "09"),
        ("details.PHONE", "1", "09"),
    ]


def test_past_the_end_a_diff_is_empty_with_the_true_count(client: TestClient) -> None:
    count = len(everything(client, url(1, 60)))
    page = client.get(url(1, 60, page=50)).json()
    assert (page["count"], page["results"], page["next"]) == (count, [], None)
    page = client.get(url(2, 10, page=2, entity_uid=uid(1))).json()
    assert (page["count"], page["results"], page["next"]) == (1, [], None)
    uncounted = client.get(url(1, 60, count="none", page_size=3)).json()
    assert (uncounted["count"], len(uncounted["results"])) == (None, 3)
    assert uncounted["next"] is not None


def test_the_aliases_are_the_same_question(client: TestClient) -> None:
    aliased = client.get(f"{DIFF}?from_date=2024-01-02&to_date=2024-01-10").json()
    assert aliased["results"] == client.get(url(2, 10)).json()["results"]


@pytest.mark.parametrize(
    ("query", "fields"),
    [
        ("", {"from", "to"}),
        ("from=2024-01-01", {"to"}),
        ("to=2024-01-01", {"from"}),
        ("from=&to=2024-01-01", {"from"}),
        ("from=2024-01-02&to=2024-01-01", {"from"}),
        ("from=2024-01-02&to=2024-01-02", {"from"}),
        ("from=x&to=y", {"from", "to"}),
        ("from=2024-01-01&from_date=2024-01-01&to=2024-01-02", {"from"}),
        ("from=2024-01-01&to=2024-01-02&to_date=2024-01-02", {"to"}),
        ("from=2024-01-01&to=2024-01-02&entity_uid=x", {"entity_uid"}),
        ("from=2024-01-01&to=2024-01-02&mode=x", {"mode"}),
        ("from=2024-01-01&to=2024-01-02&mode=knowledge", {"known_from", "known_to"}),
        ("mode=knowledge", {"known_from", "known_to"}),
        ("from=2024-01-01&to=2024-01-02&from_=2024-01-01", {"from_"}),
        ("from=2024-01-01&to=2024-01-02&known_from=2024-01-01", {"known_to"}),
        ("known_to=2024-01-01", {"known_from"}),
        ("from=2024-01-01&known_from=2024-01-01", {"to", "known_to"}),
        ("known_from=2024-01-02&known_to=2024-01-01", {"known_from"}),
        ("known_from=2024-01-01&known_to=2024-01-01", {"known_from"}),
        ("known_from=2024-01-01&known_to=2999-01-01", {"known_to"}),
        ("known_from=2998-01-01&known_to=2999-01-01", {"known_to"}),
        ("known_from=2024-01-01&known_to=2024-01-02&known_at=2024-01-01", {"known_at"}),
        ("known_from=2024-01-01&known_to=2024-01-02&position=1", {"position"}),
        ("known_from=2024-01-01&known_to=2024-01-02&as_of=2024-01-01&mode=knowledge", {"as_of"}),
    ],
)
def test_a_diff_without_a_window_is_refused_by_name(client: TestClient, query: str, fields: set[str]) -> None:
    answer = client.get(f"{DIFF}?{query}")
    assert answer.status_code == 400
    assert {error["field"] for error in answer.json()["errors"]} == fields


def test_history_is_oldest_first_the_entity_before_its_details(client: TestClient) -> None:
    found = everything(client, f"/api/v1/entities/{uid(1)}/history?page_size=2")
    assert [
        (item["type"], item["valid_from"][8:10], *item["changes"].values(), item["position"]) for item in found
    ] == [
        ("entity", "01", "Jane", "PERSON", 1),
        ("detail", "01", "EMAIL", "old", 1),
        ("detail", "05", "EMAIL", "mid", 2),
        ("entity", "09", "Jane Updated", "PERSON", 3),
        ("detail", "09", "EMAIL", "new", 3),
        ("detail", "09", "PHONE", "1", 3),
    ]
    first = found[0]
    assert first["changes"] == {"display_name": "Jane", "entity_type": "PERSON"}
    assert (first["valid_to"], first["is_current"]) == ("2024-01-09T00:00:00Z", False)
    assert (first["created_at"], first["updated_at"]) == ("2024-04-09T00:00:00Z", "2024-04-11T00:00:00Z")
    assert (first["actor"], first["entity_uid"]) == ("user_1", str(uid(1)))


def test_history_as_of_holds_what_had_begun(client: TestClient) -> None:
    assert len(everything(client, f"/api/v1/entities/{uid(1)}/history?as_of=2024-01-08T23:00:00Z")) == 3


@pytest.mark.parametrize("name", [str(uid(99)), "nonsense"])
def test_what_was_never_registered_has_no_history(client: TestClient, name: str) -> None:
    assert client.get(f"/api/v1/entities/{name}/history").status_code == 404


def test_past_the_end_history_is_empty_with_the_true_count(client: TestClient) -> None:
    page = client.get(f"/api/v1/entities/{uid(1)}/history?page=7").json()
    assert (page["count"], page["results"], page["next"]) == (6, [], None)
