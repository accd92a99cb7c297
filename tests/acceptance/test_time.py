"""The contract's time: as-of, diff, history."""

from __future__ import annotations

import pytest

from tests.acceptance.service import Json, Service, problem

VERSION = [
    "type",
    "valid_from",
    "valid_to",
    "is_current",
    "created_at",
    "updated_at",
    "hashdiff",
    "entity_uid",
    "changes",
    "position",
    "recorded_from",
    "recorded_to",
    "event_id",
    "actor",
    "reason",
]


@pytest.fixture(scope="module")
def uid(service: Service) -> str:
    """An entity with a past: One since 2000, Two since 2001, with an email from 2002 to 2003, retired in 2004."""
    uid = str(service.entity("One", effective_at="2000-01-01")["entity_uid"])
    for body in (
        {"display_name": "Two", "effective_at": "2001-01-01"},
        {"details": [{"detail_type": "EMAIL", "detail_value": "a@b"}], "effective_at": "2002-01-01"},
        {"details": [{"detail_type": "EMAIL", "detail_value": None}], "effective_at": "2003-01-01"},
    ):
        assert service.write("PATCH", f"entities/{uid}", body).status_code == 200
    assert service.write("DELETE", f"entities/{uid}", params={"effective_at": "2004-01-01"}).status_code == 204
    return uid


def at(service: Service, uid: str, instant: str) -> Json | None:
    page = service.get("entities-asof/", params={"as_of": instant, "page_size": 500}).json()
    return next((entity for entity in page["results"] if entity["entity_uid"] == uid), None)


def diff(service: Service, uid: str, start: str, end: str, **more: str) -> list[tuple[str, object, object, str]]:
    params = {"from": start, "to": end, "entity_uid": uid, **more}
    page = service.get("diff/", params=params).json()
    assert page["count"] == len(page["results"])
    changes = [change for found in page["results"] for change in found["changes"]]
    return [(c["field"], c["before"], c["after"], c["change_timestamp"][:10]) for c in changes]


@pytest.mark.parametrize(
    ("instant", "name", "details"),
    [
        ("1999-12-31T23:59:59.999999Z", None, 0),
        ("2000-01-01", "One", 0),
        ("2000-12-31T23:59:59.999999Z", "One", 0),
        ("2001-01-01", "Two", 0),
        ("2002-01-01", "Two", 1),
        ("2003-01-01", "Two", 0),
        ("2004-01-01", None, 0),
    ],
)
def test_as_of_shows_what_was_valid_from_inclusive_to_exclusive(
    service: Service, uid: str, instant: str, name: str | None, details: int
) -> None:
    found = at(service, uid, instant)
    assert (found and found["display_name"]) == name
    single = service.get(f"entities/{uid}", params={"as_of": instant})
    assert single.status_code == (200 if name else 404)
    if found is not None:
        assert single.json() == found
        assert len(found["entity_details"]) == details


def test_as_of_takes_everything_the_list_takes(service: Service, uid: str) -> None:
    params = {"as_of": "2002-06-01", "q": "tw", "type": "PERSON", "detail_type": "EMAIL", "detail_value": "a@b"}
    page = service.get("entities-asof", params={**params, "order": "display_name", "page_size": 500}).json()
    assert uid in [entity["entity_uid"] for entity in page["results"]]
    assert page["count"] == len(page["results"])
    assert {entity["display_name"] for entity in page["results"]} == {"Two"}
    for other in ({"q": "One"}, {"type": "INSTITUTION"}, {"detail_value": "a"}, {"as_of": "2003-06-01"}):
        found = service.get("entities-asof", params={**params, **other, "page_size": 500}).json()
        assert uid not in [entity["entity_uid"] for entity in found["results"]]


def test_as_of_is_in_total_order(service: Service, uid: str) -> None:
    page = service.get("entities-asof", params={"as_of": "2024-06-01", "page_size": 500}).json()
    uids = [entity["entity_uid"] for entity in page["results"]]
    assert uids == sorted(uids)


@pytest.mark.parametrize(
    "written",
    [
        "2001-01-01",
        "2001-01-01T00:00:00",
        "2001-01-01T00:00:00Z",
        "2001-01-01T02:00:00+02:00",
        "2000-12-31T19:00:00-05:00",
    ],
)
def test_offsets_dates_and_naive_instants_name_the_same_instant(service: Service, uid: str, written: str) -> None:
    answer = service.get(f"entities/{uid}", params={"as_of": written})
    assert answer.json()["display_name"] == "Two"
    assert answer.headers["as-of"] == "2001-01-01T00:00:00Z"


def test_diff_is_the_net_difference_between_two_states(service: Service, uid: str) -> None:
    assert diff(service, uid, "2000-06-01", "2002-06-01") == [
        ("display_name", "One", "Two", "2001-01-01"),
        ("details.EMAIL", None, "a@b", "2002-01-01"),
    ]
    assert diff(service, uid, "2001-06-01", "2003-06-01") == []
    assert diff(service, uid, "2002-06-01", "2004-06-01") == [
        ("exists", True, False, "2004-01-01"),
        ("display_name", "Two", None, "2004-01-01"),
        ("entity_type", "PERSON", None, "2004-01-01"),
        ("details.EMAIL", "a@b", None, "2003-01-01"),
    ]


def test_diff_shows_the_beginning_of_existence(service: Service, uid: str) -> None:
    assert diff(service, uid, "1999-01-01", "2000-01-01") == [
        ("exists", False, True, "2000-01-01"),
        ("display_name", None, "One", "2000-01-01"),
        ("entity_type", None, "PERSON", "2000-01-01"),
    ]


def test_mode_changes_lists_every_step_with_its_own_instant(service: Service, uid: str) -> None:
    assert diff(service, uid, "2000-06-01", "2003-06-01", mode="changes") == [
        ("display_name", "One", "Two", "2001-01-01"),
        ("details.EMAIL", None, "a@b", "2002-01-01"),
        ("details.EMAIL", "a@b", None, "2003-01-01"),
    ]


def test_diff_is_a_page_by_uid_and_takes_aliases(service: Service, uid: str) -> None:
    page = service.get("diff/", params={"from_date": "1999-01-01", "to_date": "2005-01-01", "mode": "changes"}).json()
    assert page.keys() == {"count", "next", "previous", "results"}
    uids = [found["entity_uid"] for found in page["results"]]
    assert uid in uids
    assert uids == sorted(uids)
    assert page == service.get("diff", params={"from": "1999-01-01", "to": "2005-01-01", "mode": "changes"}).json()


def test_history_that_was_loaded_counts_in_diff(service: Service) -> None:
    globex = "e3146cf3-36b8-47b5-bd32-1e23b53745f8"
    assert diff(service, globex, "2022-08-01", "2023-08-01") == [
        ("display_name", "Globex LLC", "Globex International", "2022-09-01"),
        ("details.ADDRESS", "2 Second Ave, Metropolis", "20 Corporate Way, Gotham", "2023-05-01"),
    ]


def test_history_is_a_page_of_versions_oldest_first(service: Service, uid: str) -> None:
    page = service.get(f"entities/{uid}/history").json()
    assert (page["count"], page["next"], page["previous"]) == (3, None, None)
    assert [list(version) for version in page["results"]] == [VERSION] * 3
    assert [(v["type"], v["valid_from"][:10], v["valid_to"][:10], v["changes"]) for v in page["results"]] == [
        ("entity", "2000-01-01", "2001-01-01", {"display_name": "One", "entity_type": "PERSON"}),
        ("entity", "2001-01-01", "2004-01-01", {"display_name": "Two", "entity_type": "PERSON"}),
        ("detail", "2002-01-01", "2003-01-01", {"detail_type": "EMAIL", "detail_value": "a@b"}),
    ]


def test_history_has_position_actor_and_recorded_times(service: Service, uid: str) -> None:
    versions = service.get(f"entities/{uid}/history").json()["results"]
    assert {version["actor"] for version in versions} == {"user_1"}
    assert all(version["created_at"] > "2026" for version in versions)
    assert all(version["created_at"] < version["updated_at"] for version in versions)
    positions = [version["position"] for version in versions]
    assert positions == sorted(positions)
    assert not any(version["is_current"] for version in versions)


def test_history_comes_in_pages(service: Service, uid: str) -> None:
    page = service.get(f"entities/{uid}/history", params={"page_size": 2, "page": 2}).json()
    assert (page["count"], len(page["results"]), page["next"]) == (3, 1, None)


def test_a_retired_entity_is_404_now_and_tells_its_history(service: Service, uid: str) -> None:
    body = problem(service.get(f"entities/{uid}"), 404, code="retired")
    assert body["retired_since"] == "2004-01-01T00:00:00Z"
    assert service.get(body["history"]).json()["count"] == 3
