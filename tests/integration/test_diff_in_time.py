"""The diff of the database, over HTTP, at any two points of two-dimensional time: what the pure difference says of the
same lives, for one entity and for all, on every page."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
import psycopg
import pytest
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from read_side.beliefs import Span
from read_side.diff import Cause, Mode, difference
from read_side.steps import BEGINNING, Points
from shared.http.instants import show
from tests.conftest import Clone
from tests.histories import DAYS
from tests.integration.reading import AUTHOR, Projected, day, projected, reading, registered, revised, uid
from tests.integration.worlds import World, head, worlds, write
from tests.unit.test_diff_in_time import spans as spans_of

Site = tuple[psycopg.Connection[Any], TestClient]
DIFF = "/api/v1/diff"
MODES: tuple[Mode, ...] = ("net", "changes", "knowledge")
EVENTS = 40
EXAMPLES = settings(
    max_examples=8,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    phases=[Phase.explicit, Phase.generate],
)
RECORDED = """
INSERT INTO log.event
SELECT n, gen_random_uuid(), 'a-stream', n, 'Any', 1, at, NULL, at, '{}', '', '', '', gen_random_uuid(), 0, '{}'
FROM generate_series(1, %s) n, LATERAL (SELECT timestamptz '2023-12-31Z' + n * interval '1 day' AS at) t
"""
"""A log whose event n was recorded on day n, as those of the worlds were: instants of knowledge stand for positions."""
CROWD = """
INSERT INTO read_model.count_mark SELECT '', timestamptz '2024-01-01Z' + n * interval '1 day', 0, 50
FROM generate_series(0, 60) n ON CONFLICT (entity_type, upto) DO UPDATE SET turns = 50
"""
"""Marks that tell of many changes each day: a page looks first at the entities that come next."""


@pytest.fixture(scope="module")
def site(clone: Clone) -> Iterator[Site]:
    with clone() as conninfo, psycopg.connect(conninfo, autocommit=True) as connection, reading(conninfo) as client:
        connection.execute(RECORDED, (EVENTS,))
        yield connection, client


def everything(client: TestClient, **params: Any) -> list[dict[str, Any]]:
    """Return the items of all pages, whose count must be true."""
    found: list[dict[str, Any]] = []
    answer = client.get(DIFF, params=params)
    while True:
        assert answer.status_code == 200, answer.text
        page = answer.json()
        found += page["results"]
        if page["next"] is None:
            assert page["count"] in {len(found), None}
            return found
        answer = client.get(page["next"])


def expected(spans: dict[UUID, list[Span]], mode: Mode, points: Points) -> list[dict[str, Any]]:
    causes = {n: Cause(UUID(int=n), AUTHOR, None, day(n)) for n in range(EVENTS)}
    changes = {of: difference(mode, spans[of], points, causes) for of in sorted(spans)}
    return [{"entity_uid": str(of), "changes": msgspec.to_builtins(found)} for of, found in changes.items() if found]


def between(chance: random.Random, last: int) -> tuple[int, int]:
    """Choose two numbers from 0 to the last, the lesser one first."""
    first, second = sorted(chance.sample(range(last + 1), 2))
    return first, second


@EXAMPLES
@given(world=worlds(), seed=st.integers(0, 10**6))
def test_a_diff_is_the_difference_between_any_two_points(site: Site, world: World, seed: int) -> None:
    connection, client = site
    write(connection, world)
    spans = {of: spans_of(life) for of, life in world.items()}
    chance = random.Random(seed)  # noqa: S311  # it chooses examples
    for mode in MODES:
        for _ in range(5):
            check(client, spans, mode, *between(chance, DAYS + 3), *between(chance, head(world)))


def check(
    client: TestClient, spans: dict[UUID, list[Span]], mode: Mode, start: int, end: int, earlier: int, later: int
) -> None:
    """Ask along both axes and, as the mode allows, along one of them."""
    window = {"from": show(day(start)), "to": show(day(end))}
    knowledge = {"known_from": show(day(earlier)), "known_to": show(day(later))}
    asked: list[tuple[dict[str, Any], Points]] = [
        ({**window, **knowledge}, Points(day(start), day(end), earlier, later)),
    ]
    if mode == "knowledge":
        asked += [(knowledge, Points(BEGINNING, None, earlier, later))]
    else:
        asked += [
            ({**knowledge, "as_of": show(day(start))}, Points(day(start), day(start), earlier, later)),
            ({**window, "position": later}, Points(day(start), day(end), later, later)),
            ({**window, "known_at": show(day(earlier))}, Points(day(start), day(end), earlier, earlier)),
        ]
    for params, points in asked:
        whole = expected(spans, mode, points)
        assert everything(client, mode=mode, **params) == whole, (params, points)
        assert everything(client, mode=mode, **params, page_size=1) == whole
        assert everything(client, mode=mode, **params, page_size=1, count="none") == whole
        assert everything(client, mode=mode, **params, page_size=1, cursor="*") == whole
        for of in spans:
            alone = [item for item in whole if item["entity_uid"] == str(of)]
            assert everything(client, mode=mode, **params, entity_uid=of) == alone


@EXAMPLES
@given(world=worlds())
def test_without_any_knowledge_asked_for_a_diff_is_that_of_the_latest(site: Site, world: World) -> None:
    connection, client = site
    write(connection, world)
    spans, latest = {of: spans_of(life) for of, life in world.items()}, head(world)
    for mode in ("net", "changes"):
        for start, end in ((0, 3), (2, 7), (0, DAYS + 3)):
            window = {"from": show(day(start)), "to": show(day(end))}
            assert everything(client, mode=mode, **window) == expected(
                spans, mode, Points(day(start), day(end), latest, latest)
            )


@EXAMPLES
@given(world=worlds(), seed=st.integers(0, 10**6))
def test_it_is_the_same_where_so_many_change_that_a_page_is_soon_full(site: Site, world: World, seed: int) -> None:
    connection, client = site
    write(connection, world)
    connection.execute(CROWD)
    connection.execute("ANALYZE read_model.entity_head")
    spans, latest = {of: spans_of(life) for of, life in world.items()}, head(world)
    chance = random.Random(seed)  # noqa: S311  # it chooses examples
    for mode in ("net", "changes"):
        for _ in range(5):
            (start, end), known = between(chance, DAYS + 3), chance.randint(1, latest)
            window = {"from": show(day(start)), "to": show(day(end)), "mode": mode}
            whole = expected(spans, mode, Points(day(start), day(end), latest, latest))
            earlier = expected(spans, mode, Points(day(start), day(end), known, known))
            assert everything(client, **window, page_size=1) == whole
            assert everything(client, **window, page_size=1, count="none") == whole
            assert everything(client, **window, page_size=1, cursor="*") == whole
            assert everything(client, **window, page_size=1, position=known) == earlier


@pytest.fixture
def book(clone: Clone) -> Iterator[tuple[Projected, TestClient]]:
    with clone() as conninfo, projected(conninfo) as book, reading(conninfo) as client:
        book.connection.execute(RECORDED, (EVENTS,))
        yield book, client


def test_what_was_learnt_is_told_by_its_event(book: tuple[Projected, TestClient]) -> None:
    projected, client = book
    projected.happen(1, day(1), registered("Jane", EMAIL="old"), day(1))
    projected.happen(1, day(3), revised("Joan"), day(2), reason="typing error", until=day(5))
    (found,) = everything(client, mode="knowledge", known_from=show(day(1)), known_to=show(day(2)))
    assert found["changes"] == [
        {
            "field": "display_name",
            "before": "Jane",
            "after": "Joan",
            "change_timestamp": "2024-01-02T00:00:00Z",
            "change_type": "changed",
            "event_id": str(UUID(int=2)),
            "actor": AUTHOR,
            "reason": "typing error",
            "valid_from": "2024-01-03T00:00:00Z",
            "valid_to": "2024-01-05T00:00:00Z",
        }
    ]


def test_pages_of_a_cursor_join_up_whatever_is_recorded_meanwhile(book: tuple[Projected, TestClient]) -> None:
    projected, client = book
    for number in range(2, 9, 2):
        projected.happen(number, day(1), registered(f"Name {number}"), day(number))
    window = {"from": show(day(0)), "to": show(day(30)), "mode": "changes"}
    whole = everything(client, **window)
    first = client.get(DIFF, params={**window, "cursor": "*", "page_size": 2})
    for number in range(1, 9, 2):
        projected.happen(number, day(1), registered("Late"), day(20 + number))
    projected.happen(6, day(2), revised("Other"), day(30))
    second = client.get(first.json()["next"])
    assert first.json()["results"] + second.json()["results"] == whole
    assert (second.json()["count"], second.json()["next"]) == (4, None)
    assert second.headers["position"] == first.headers["position"] == "4"
    assert client.get(second.json()["previous"]).json()["results"] == first.json()["results"]


def test_what_is_known_now_of_an_instant_differs_by_what_was_recorded_since(
    book: tuple[Projected, TestClient],
) -> None:
    projected, client = book
    instants: list[datetime] = [day(1), day(2)]
    projected.happen(1, day(1), registered("Jane"), instants[0])
    projected.happen(1, day(1), revised("Joan"), instants[1])
    (found,) = everything(client, known_from=show(instants[0]), known_to=show(instants[1]), entity_uid=uid(1))
    assert [(c["before"], c["after"], c["change_timestamp"]) for c in found["changes"]] == [
        ("Jane", "Joan", "2024-01-02T00:00:00Z")
    ]


def test_an_end_that_became_known_later_is_a_step_of_what_was_learnt(book: tuple[Projected, TestClient]) -> None:
    projected, client = book
    projected.happen(1, day(1), registered("Jane", EMAIL="old"), day(1))
    projected.happen(1, day(3), revised(EMAIL=None), day(2))
    asked = {"known_from": show(day(1)), "known_to": show(day(2)), "as_of": show(day(4)), "mode": "changes"}
    (found,) = everything(client, **asked)
    (change,) = found["changes"]
    assert (change["field"], change["before"], change["after"]) == ("details.EMAIL", "old", None)
    assert (change["change_type"], change["change_timestamp"]) == ("removed", "2024-01-02T00:00:00Z")
    assert everything(client, **{**asked, "as_of": show(day(2))}) == []
