"""The contract's effective_at: since when a change holds, and what is refused until a later issue."""

from __future__ import annotations

import pytest

from tests.acceptance.service import Json, Service, problem

FUTURE = "2999-01-01"


@pytest.fixture
def path(service: Service) -> str:
    """An entity since 2020, renamed in 2022."""
    path = f"entities/{service.entity('Dated', effective_at='2020-01-01')['entity_uid']}"
    body = {"display_name": "Renamed", "effective_at": "2022-01-01"}
    assert service.write("PATCH", path, body).status_code == 200
    return path


def name(service: Service, path: str, instant: str) -> str:
    return str(service.get(path, params={"as_of": instant}).json()["display_name"])


def test_a_dated_change_holds_from_its_instant_on(service: Service, path: str) -> None:
    assert name(service, path, "2021-12-31T23:59:59.999999Z") == "Dated"
    assert name(service, path, "2022-01-01") == "Renamed"
    later = service.write("PATCH", path, {"display_name": "Later", "effective_at": "2023-01-01"}).json()
    assert later["valid_from"] == "2023-01-01T00:00:00Z"
    assert name(service, path, "2022-06-01") == "Renamed"
    assert service.get(path).json() == later


def test_details_have_dates_of_their_own(service: Service, path: str) -> None:
    email = [{"detail_type": "EMAIL", "detail_value": "a@b"}]
    body = service.write("PATCH", path, {"details": email, "effective_at": "2021-01-01"}).json()
    assert body["valid_from"] == "2022-01-01T00:00:00Z"
    assert body["entity_details"][0]["valid_from"] == "2021-01-01T00:00:00Z"


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("2023-05-06", "2023-05-06T00:00:00Z"),
        ("2023-05-06T07:08:09Z", "2023-05-06T07:08:09Z"),
        ("2023-05-06T07:08:09", "2023-05-06T07:08:09Z"),
        ("2023-05-06T07:08", "2023-05-06T07:08:00Z"),
        ("2023-05-06 07:08:09", "2023-05-06T07:08:09Z"),
        ("2023-05-06T07:08:09.123456789Z", "2023-05-06T07:08:09.123456Z"),
        ("2023-05-06T07:08:09+05:30", "2023-05-06T01:38:09Z"),
        ("2023-05-06T07:08:09-07:00", "2023-05-06T14:08:09Z"),
        ("0001-01-01", "0001-01-01T00:00:00Z"),
    ],
)
def test_instants_are_taken_with_offsets_as_dates_and_naive(service: Service, written: str, meant: str) -> None:
    assert service.entity(effective_at=written)["valid_from"] == meant


def dated(service: Service, path: str, at: str) -> dict[str, tuple[str, str, Json | None, Json]]:
    """Return every dated write: method, path, body, query."""
    whole = {"display_name": "Whole", "entity_type": "PERSON", "effective_at": at}
    return {
        "PATCH": ("PATCH", path, {"display_name": "Part", "effective_at": at}, {}),
        "PUT": ("PUT", path, whole, {}),
        "DELETE": ("DELETE", path, None, {"effective_at": at}),
    }


@pytest.mark.parametrize("method", ["PATCH", "PUT", "DELETE"])
@pytest.mark.parametrize("at", [FUTURE, "2022-01-01", "2021-12-31"], ids=["future", "at the last", "before the last"])
def test_the_future_and_at_or_before_the_last_change_are_not_supported_yet(
    service: Service, path: str, method: str, at: str
) -> None:
    head = service.head()
    verb, where, body, query = dated(service, path, at)[method]
    problem(service.write(verb, where, body, params=query), 400, code="not_supported_yet", field="effective_at")
    assert service.head() == head


def test_a_registration_in_the_future_is_not_supported_yet(service: Service) -> None:
    head = service.head()
    body = {"display_name": "x", "entity_type": "PERSON", "effective_at": FUTURE}
    problem(service.write("POST", "entities", body), 400, code="not_supported_yet", field="effective_at")
    assert service.head() == head


@pytest.mark.parametrize("method", ["PATCH", "PUT", "DELETE"])
def test_before_the_entity_existed_is_409(service: Service, path: str, method: str) -> None:
    head = service.head()
    verb, where, body, query = dated(service, path, "2019-01-01")[method]
    problem(service.write(verb, where, body, params=query), 409, code="not_yet")
    assert service.head() == head


def test_delete_takes_its_date_as_a_query_parameter(service: Service, path: str) -> None:
    answer = service.write("DELETE", path, params={"effective_at": "2023-03-01T00:00:00+01:00"})
    assert answer.status_code == 204
    assert problem(service.get(path), 404)["retired_since"] == "2023-02-28T23:00:00Z"
    assert name(service, path, "2023-02-28") == "Renamed"
    problem(service.get(path, params={"as_of": "2023-03-01"}), 404)


def test_after_it_was_retired_a_change_is_409(service: Service, path: str) -> None:
    service.write("DELETE", path, params={"effective_at": "2023-03-01"})
    head = service.head()
    for method in ("PATCH", "PUT", "DELETE"):
        verb, where, body, query = dated(service, path, "2023-06-01")[method]
        problem(service.write(verb, where, body, params=query), 409, code="retired")
    assert service.head() == head


def test_a_reopening_with_a_date_leaves_a_gap(service: Service, path: str) -> None:
    service.write("DELETE", path, params={"effective_at": "2023-03-01"})
    opened = service.write("POST", f"{path}/reopen", {"effective_at": "2023-05-01"})
    assert (opened.status_code, opened.json()["valid_from"]) == (200, "2023-05-01T00:00:00Z")
    assert name(service, path, "2023-02-01") == "Renamed"
    problem(service.get(path, params={"as_of": "2023-04-01"}), 404)
    assert name(service, path, "2023-05-01") == "Renamed"


@pytest.mark.parametrize("at", [FUTURE, "2023-03-01", "2019-01-01"])
def test_a_reopening_in_the_future_or_not_after_the_last_change_is_not_supported_yet(
    service: Service, path: str, at: str
) -> None:
    service.write("DELETE", path, params={"effective_at": "2023-03-01"})
    answer = service.write("POST", f"{path}/reopen", {"effective_at": at})
    problem(answer, 400, code="not_supported_yet", field="effective_at")


def test_the_same_dated_assertion_again_appends_nothing(service: Service, path: str) -> None:
    head = service.head()
    body = {"display_name": "Renamed", "effective_at": "2022-01-01"}
    assert service.write("PATCH", path, body).status_code == 200
    assert service.head() == head


def test_a_dated_change_of_nothing_is_recorded_and_shows_no_new_version(service: Service, path: str) -> None:
    before, head = service.get(path).json(), service.head()
    body = {"display_name": "Renamed", "effective_at": "2024-01-01"}
    answer = service.write("PATCH", path, body)
    assert (service.head(), answer.json()) == (head + 1, before)
    assert service.get(path).json() == before


def test_one_request_is_one_instant_for_all(service: Service, path: str) -> None:
    details = [{"detail_type": code, "detail_value": "x"} for code in ("EMAIL", "PHONE")]
    body = {"display_name": "All", "entity_type": "INSTITUTION", "details": details, "effective_at": "2023-07-08"}
    changed = service.write("PATCH", path, body).json()
    starts = {changed["valid_from"], *(detail["valid_from"] for detail in changed["entity_details"])}
    assert starts == {"2023-07-08T00:00:00Z"}
