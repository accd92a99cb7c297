"""Now is now: what fell due since the projector looked is there, what ended since is not, what is to come is told."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest
from fastapi.testclient import TestClient

from shared.http.instants import show
from tests.conftest import Clone
from tests.integration.reading import RETIRED, Projected, day, projected, reading, registered, revised, uid

Site = tuple[TestClient, Projected, datetime]
ENTITIES = "/api/v1/entities"


@pytest.fixture(scope="module")
def site(clone: Clone) -> Iterator[Site]:
    """An hour ago the projector stopped: since then one entity changed, one ended, one began; and one is to begin."""
    with clone() as conninfo, projected(conninfo) as book:
        with psycopg.connect(conninfo) as connection:
            row = connection.execute("SELECT now()").fetchone()
        assert row is not None
        now: datetime = row[0].astimezone(UTC)
        before, since = now - timedelta(hours=1), now - timedelta(minutes=5)
        book.happen(1, day(1), registered("Changing", EMAIL="old", PHONE="1"))
        book.happen(2, day(2), registered("Ending"))
        book.happen(3, day(3), registered("Staying", EMAIL="new"), before)
        book.happen(1, since, revised("Changed", EMAIL="new"), before + timedelta(seconds=1), reason="As agreed")
        book.happen(2, since, RETIRED, before + timedelta(seconds=2))
        book.happen(4, since, registered("Beginning", EMAIL="new"), before + timedelta(seconds=3))
        book.happen(5, day(40_000), registered("Coming", PHONE="5"), before + timedelta(seconds=4), reason="Planned")
        with reading(conninfo) as client:
            yield client, book, now


def ask(client: TestClient, path: str) -> Any:
    answer = client.get(path)
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("", ["Beginning", "Changed", "Staying"]),
        ("type=PERSON", ["Beginning", "Changed", "Staying"]),
        ("type=PERSON&page_size=1&page=2", ["Beginning"]),
        ("q=chang", ["Changed"]),
        ("q=end", []),
        ("order=display_name", ["Beginning", "Changed", "Staying"]),
        ("order=entity_uid", ["Changed", "Staying", "Beginning"]),
        ("detail_type=EMAIL&detail_value=new&order=entity_uid", ["Changed", "Staying", "Beginning"]),
        ("detail_type=EMAIL&detail_value=old", []),
    ],
)
def test_lists_hold_what_is_true_now_however_late_the_flags_are(site: Site, query: str, names: list[str]) -> None:
    client, _, _ = site
    page = ask(client, f"{ENTITIES}?{query}")
    found = page["results"]
    assert sorted(e["display_name"] for e in found) == sorted(names)
    assert page["count"] == (3 if "page=" in query else len(names))
    if "order" in query:
        assert [e["display_name"] for e in found] == names
    for entity in found:
        assert entity == ask(client, f"{ENTITIES}/{entity['entity_uid']}")
        assert entity["is_current"]
        assert all(detail["is_current"] for detail in entity["entity_details"])


def test_one_entity_is_what_it_is_now_with_the_details_of_now(site: Site) -> None:
    client, _, _ = site
    found = ask(client, f"{ENTITIES}/{uid(1)}")
    assert found["display_name"] == "Changed"
    assert [d["detail_value"] for d in found["entity_details"]] == ["new", "1"]
    assert client.get(f"{ENTITIES}/{uid(2)}").json()["code"] == "retired"


def test_an_etag_counts_the_change_points_that_are_due(site: Site) -> None:
    client, book, now = site
    for number in (1, 3, 4):
        timeline = book.timelines[uid(number)]
        etag = client.get(f"{ENTITIES}/{uid(number)}").headers["etag"]
        assert etag == f'"{timeline.last_event_id}.{timeline.due(now)}"'
    assert len(client.get(f"{ENTITIES}/{uid(1)}?position=4").headers["etag"]) == 34


def test_what_is_to_begin_is_not_there_yet_and_says_when(site: Site) -> None:
    client, _, _ = site
    answer = client.get(f"{ENTITIES}/{uid(5)}")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_yet")
    assert answer.json()["detail"] == f"This entity does not exist before {show(day(40_000))}."
    assert ask(client, answer.json()["history"])["count"] == 2
    coming = ask(client, f"{ENTITIES}/{uid(5)}?as_of={show(day(40_001))}")
    assert (coming["display_name"], coming["is_current"], coming["entity_details"][0]["is_current"]) == (
        "Coming",
        False,
        False,
    )
    assert client.get(f"{ENTITIES}/{uid(5)}?position=5").json()["code"] == "not_found"


def test_what_holds_until_a_known_end_is_current_until_then(site: Site) -> None:
    client, _, now = site
    then = ask(client, f"{ENTITIES}/{uid(1)}?as_of=2024-06-01")
    assert (then["is_current"], then["valid_to"]) == (False, show(now - timedelta(minutes=5)))
    as_was_known = ask(client, f"{ENTITIES}/{uid(1)}?position=3")
    assert (as_was_known["display_name"], as_was_known["is_current"], as_was_known["valid_to"]) == (
        "Changing",
        True,
        None,
    )


def test_what_is_scheduled_names_its_event_who_and_why(site: Site) -> None:
    client, _, _ = site
    found = ask(client, "/api/v1/scheduled")
    assert [item["field"] for item in found["results"]] == ["exists", "display_name", "entity_type", "details.PHONE"]
    assert found["results"][1] == {
        "entity_uid": str(uid(5)),
        "effective_at": show(day(40_000)),
        "field": "display_name",
        "before": None,
        "after": "Coming",
        "event_id": str(UUID(int=7)),
        "actor": "user_1",
        "reason": "Planned",
    }
    assert ask(client, "/api/v1/scheduled?position=6")["results"] == []


def test_history_tells_the_event_and_the_reason(site: Site) -> None:
    client, _, _ = site
    found = ask(client, f"{ENTITIES}/{uid(1)}/history?field=display_name")["results"]
    assert [(item["changes"]["display_name"], item["is_current"], item["reason"]) for item in found] == [
        ("Changing", False, None),
        ("Changed", True, "As agreed"),
    ]
    assert found[1]["event_id"] == str(UUID(int=4))
    assert client.get(f"{ENTITIES}/{uid(1)}/history?field=nonsense").status_code == 400
    assert client.get(f"{ENTITIES}/{uid(1)}/history?include=everything").status_code == 400


def test_the_flags_change_nothing(site: Site) -> None:
    client, book, now = site
    paths = [f"{ENTITIES}?order={order}" for order in ("-valid_from", "display_name", "entity_uid")]
    paths += [ENTITIES, f"{ENTITIES}?type=PERSON", *(f"{ENTITIES}/{uid(number)}" for number in (1, 3, 4))]
    before = [(client.get(path).headers["etag"], client.get(path).json()) for path in paths]
    book.tick(now)
    assert before == [(client.get(path).headers["etag"], client.get(path).json()) for path in paths]
