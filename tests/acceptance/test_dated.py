"""The contract's effective_at: since when a change holds, in the past and in the future."""

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


def test_a_change_before_the_last_one_holds_up_to_it(service: Service, path: str) -> None:
    answer = service.write("PATCH", path, {"display_name": "Between", "effective_at": "2021-01-01"})
    assert (answer.status_code, answer.json()["display_name"]) == (200, "Renamed")
    assert name(service, path, "2020-06-01") == "Dated"
    assert name(service, path, "2021-06-01") == "Between"
    assert name(service, path, "2022-01-01") == "Renamed"


def test_a_scheduled_change_is_answered_as_it_will_be_and_read_as_it_is(service: Service, path: str) -> None:
    answer = service.write("PATCH", path, {"display_name": "Scheduled", "effective_at": FUTURE})
    assert (answer.status_code, answer.json()["display_name"]) == (200, "Scheduled")
    assert (answer.json()["valid_from"], answer.json()["is_current"]) == (f"{FUTURE}T00:00:00Z", False)
    now = service.get(path).json()
    assert (now["display_name"], now["valid_to"], now["is_current"]) == ("Renamed", f"{FUTURE}T00:00:00Z", True)
    assert name(service, path, FUTURE) == "Scheduled"
    assert service.get(path).headers["etag"] == answer.headers["etag"]
    service.write("PATCH", path, {"display_name": "At once"})
    assert (name(service, path, FUTURE), service.get(path).json()["display_name"]) == ("Scheduled", "At once")


def test_a_scheduled_retirement_leaves_the_entity_until_then(service: Service, path: str) -> None:
    assert service.write("DELETE", path, params={"effective_at": FUTURE}).status_code == 204
    assert service.get(path).json()["valid_to"] == f"{FUTURE}T00:00:00Z"
    problem(service.get(path, params={"as_of": FUTURE}), 404)


def test_a_scheduled_registration_is_not_there_yet(service: Service) -> None:
    entity = service.entity(effective_at=FUTURE)
    path = f"entities/{entity['entity_uid']}"
    assert entity["is_current"] is False
    problem(service.get(path), 404, code="not_yet")
    assert service.get(path, params={"as_of": FUTURE}).status_code == 200
    problem(service.write("PATCH", path, {"display_name": "x"}), 409, code="not_yet")


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


def test_after_it_was_retired_a_change_is_409_and_a_second_end_404(service: Service, path: str) -> None:
    service.write("DELETE", path, params={"effective_at": "2023-03-01"})
    head = service.head()
    for method, status in (("PATCH", 409), ("PUT", 409), ("DELETE", 404)):
        verb, where, body, query = dated(service, path, "2023-06-01")[method]
        problem(service.write(verb, where, body, params=query), status, code="retired")
    assert service.head() == head


def test_a_reopening_with_a_date_leaves_a_gap(service: Service, path: str) -> None:
    service.write("DELETE", path, params={"effective_at": "2023-03-01"})
    opened = service.write("POST", f"{path}/reopen", {"effective_at": "2023-05-01"})
    assert (opened.status_code, opened.json()["valid_from"]) == (200, "2023-05-01T00:00:00Z")
    assert name(service, path, "2023-02-01") == "Renamed"
    problem(service.get(path, params={"as_of": "2023-04-01"}), 404)
    assert name(service, path, "2023-05-01") == "Renamed"


def test_an_earlier_start_is_a_reopening_with_name_and_type(service: Service, path: str) -> None:
    problem(service.write("POST", f"{path}/reopen", {"effective_at": "2019-01-01"}), 409, code="nameless")
    body = {"effective_at": "2019-01-01", "display_name": "Older", "entity_type": "PERSON"}
    assert service.write("POST", f"{path}/reopen", body).status_code == 200
    assert (name(service, path, "2019-06-01"), name(service, path, "2020-01-01")) == ("Older", "Dated")


def test_reopening_what_is_open_at_that_instant_is_409(service: Service, path: str) -> None:
    head = service.head()
    problem(service.write("POST", f"{path}/reopen", {"effective_at": "2021-01-01"}), 409, code="already_open")
    assert service.head() == head


def test_a_correction_of_what_has_ended_since_is_answered_as_it_was_then(service: Service, path: str) -> None:
    service.write("DELETE", path, params={"effective_at": "2023-03-01"})
    answer = service.write("PATCH", path, {"display_name": "Corrected", "effective_at": "2022-06-01"})
    assert (answer.status_code, answer.json()["display_name"]) == (200, "Corrected")
    assert (answer.json()["valid_to"], answer.json()["is_current"]) == ("2023-03-01T00:00:00Z", False)


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
