"""Every read at every point of two-dimensional time, held against an oracle that knows one point at a time."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, Phase, given, settings

from shared.core.rows import EntityVersion, Row
from shared.http.instants import show
from tests.conftest import Clone
from tests.histories import as_said
from tests.integration.reading import reading, uid
from tests.integration.worlds import INSTANTS, World, changes, group, head, rows, said_by, truth, worlds, write
from tests.oracle_points import state

Site = tuple[psycopg.Connection[Any], TestClient]
DAWN = INSTANTS[0]
EXAMPLES = settings(
    max_examples=6,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    phases=[Phase.explicit, Phase.generate],  # a world takes seconds: to shrink one takes minutes
)


@pytest.fixture(scope="module")
def site(clone: Clone) -> Iterator[Site]:
    with clone() as conninfo, psycopg.connect(conninfo, autocommit=True) as connection, reading(conninfo) as client:
        yield connection, client


def results(client: TestClient, path: str, **params: Any) -> list[dict[str, Any]]:
    answer = client.get(f"/api/v1/{path}", params={"page_size": 500, **params})
    assert answer.status_code == 200, answer.text
    page = answer.json()
    found: list[dict[str, Any]] = page["results"]
    assert page["count"] == len(found)
    if "position" in params:
        assert answer.headers["position"] == str(params["position"])
    if "as_of" in params:
        assert answer.headers["as-of"] == params["as_of"]
    return found


@EXAMPLES
@given(world=worlds())
def test_every_entity_at_every_point_is_what_the_oracle_says(site: Site, world: World) -> None:
    connection, client = site
    write(connection, world)
    for known in range(head(world) + 1):
        for t in INSTANTS:
            expected = truth(world, t, known)
            point = {"as_of": show(t), "position": known}
            found = results(client, "entities-asof", **point)
            assert [(UUID(entity["entity_uid"]), said_by(entity)) for entity in found] == sorted(expected.items())
            check_ends(found, world, t, known)
            for of in world:
                check_one(client, of, world, point, expected, found)


def check_one(
    client: TestClient, of: UUID, world: World, point: dict[str, Any], expected: dict[UUID, Any], found: list[Any]
) -> None:
    """Ask for one entity: it is as it is in the list, or a problem tells why it is not there."""
    answer = client.get(f"/api/v1/entities/{of}", params=point)
    assert answer.headers["x-request-id"]
    if of in expected:
        assert answer.json() in found
        return
    assert answer.status_code == 404
    ever = [(row, ended) for whose, row, ended in rows(world, point["position"]) if (whose, group(row)) == (of, "")]
    own = [row for row, ended in ever if ended is None]
    begun = [row for row in own if show(row.valid_from) <= point["as_of"]]
    is_retired = bool(begun or (ever and not own))
    assert answer.json()["code"] == ("retired" if is_retired else "not_yet" if own else "not_found")
    if is_retired:
        ends = [row.valid_to for row in begun if row.valid_to]
        since = max(ends) if begun else min(row.valid_from for row, _ in ever)  # or from its very start on
        assert answer.json()["retired_since"] == show(since)


def check_ends(found: list[Any], world: World, t: datetime, known: int) -> None:
    """Every row in an answer has the bounds that were believed at the position, and is current if they hold now."""
    believed = {row.id: row for _, row, ended in rows(world, known) if ended is None}
    for shown in [part for entity in found for part in (entity, *entity["entity_details"])]:
        row: Row = believed[shown["id"]]
        assert shown["valid_from"] == show(row.valid_from)
        assert shown["valid_to"] == (show(row.valid_to) if row.valid_to else None)
        assert shown["hashdiff"] == row.hashdiff
        assert shown["is_current"] == (row.valid_to is None)  # now is long after them all


@EXAMPLES
@given(world=worlds())
def test_lists_of_the_latest_and_of_a_position_are_the_same_and_filtered_by_what_held(site: Site, world: World) -> None:
    connection, client = site
    write(connection, world)
    for t in [None, *INSTANTS]:
        point = {} if t is None else {"as_of": show(t)}
        expected = truth(world, t or INSTANTS[-1], head(world))
        for order in ("-valid_from", "display_name", "entity_uid"):
            plain = results(client, "entities", order=order, **point)
            assert plain == results(client, "entities", order=order, position=head(world), **point)
            assert {UUID(entity["entity_uid"]) for entity in plain} == expected.keys()
        for name, asked in (
            ("display_name", {"q": "a"}),
            ("entity_type", {"type": "PERSON"}),
            ("details.EMAIL", {"detail_type": "EMAIL", "detail_value": "A"}),
        ):
            wanted = {str(of) for of, said in expected.items() if said.get(name) in {"A", "PERSON"}}
            for known in ({}, {"position": head(world)}):
                listed = results(client, "entities", **asked, **point, **known)
                assert {entity["entity_uid"] for entity in listed} == wanted


@EXAMPLES
@given(world=worlds())
def test_history_is_what_was_believed_and_on_request_what_had_been(site: Site, world: World) -> None:
    connection, client = site
    write(connection, world)
    recorded = {r.position: show(r.recorded_at) for life in world.values() for r in life}
    for known in range(head(world) + 1):
        for of in world:
            path = f"entities/{of}/history"
            own = [(row, ended) for whose, row, ended in rows(world, known) if whose == of]
            if not own:
                assert client.get(f"/api/v1/{path}", params={"position": known}).status_code == 404
                continue
            own.sort(key=lambda known: (known[0].valid_from, group(known[0]), known[0].id))
            expected = [
                (group(row), row.hashdiff, show(row.valid_from), row.valid_to and show(row.valid_to),
                 row.recorded_from_position, show(row.created_at), recorded.get(ended or 0),
                 str(UUID(int=begun_since(world, of, row, known if ended is None else ended - 1))))
                for row, ended in own
            ]  # fmt: skip
            everything = results(client, path, position=known, include="superseded")
            assert [versions(item) for item in everything] == expected
            assert [versions(item) for item in results(client, path, position=known)] == [
                version for version in expected if version[-2] is None
            ]
            newest = results(client, path, position=known, include="superseded", order="-valid_from")
            assert newest == sorted(everything, key=lambda item: item["valid_from"], reverse=True)
            emails = results(client, path, position=known, field="details.EMAIL")
            assert [versions(item) for item in emails] == [v for v in expected if v[0] == "EMAIL" and v[-2] is None]
            if known == head(world):
                assert everything == results(client, path, include="superseded")


def versions(item: dict[str, Any]) -> tuple[Any, ...]:
    code = item["changes"].get("detail_type", "")
    names = ("hashdiff", "valid_from", "valid_to", "position", "recorded_from", "recorded_to", "event_id")
    return (code, *(item[name] for name in names))


def begun_since(world: World, of: UUID, row: Row, known: int) -> int:
    """Return since which event up to a position the oracle has what the row says begin where the row does."""
    said = as_said(world[of])
    names = ("display_name", "entity_type") if isinstance(row, EntityVersion) else (f"details.{row.detail_type}",)

    def content(t: datetime, at: int) -> list[Any]:
        return [state(said, t, at).get(name) for name in names]

    earlier = row.valid_from - timedelta(days=1)
    turn = content(row.valid_from, known)
    position = known
    while content(row.valid_from, position - 1) == turn != content(earlier, position - 1):
        position -= 1
    return position


@EXAMPLES
@given(world=worlds())
def test_what_is_scheduled_is_what_will_change(site: Site, world: World) -> None:
    connection, client = site
    write(connection, world)
    for known in range(head(world) + 1):
        for t in INSTANTS[::2]:
            expected = [(show(at), str(of), *change) for at, of, *change in changes(world, t, known)]
            asked: dict[str, Any] = {"as_of": show(t), "position": known}
            names = ("effective_at", "entity_uid", "field", "before", "after")
            found = results(client, "scheduled", **asked)
            assert [tuple(item[name] for name in names) for item in found] == expected
            alone = results(client, "scheduled", entity_uid=uid(1), **asked)
            assert alone == [item for item in found if item["entity_uid"] == str(uid(1))]
            pages = [
                client.get("/api/v1/scheduled", params={"page_size": 2, "page": n, **asked}).json() for n in (1, 2)
            ]
            assert [item for page in pages for item in page["results"]] == found[:4]
            assert bool(pages[1]["next"]) == (len(found) > 4)
            assert all(item["actor"] for item in found)
            for item, (at, of, name, _, after) in zip(found, changes(world, t, known), strict=True):
                assert UUID(item["event_id"]).int == scheduled_since(world, (at, of, name, after), known)


def scheduled_since(world: World, change: tuple[datetime, UUID, str, Any], known: int) -> int:
    """Return since which event up to a position the oracle has a field become a value at an instant."""
    while any(change == (at, of, name, after) for at, of, name, _, after in changes(world, DAWN, known - 1)):
        known -= 1
    return known
