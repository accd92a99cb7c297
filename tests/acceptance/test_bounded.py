"""The contract's effective_until, cancelling, and the reason that every command may give."""

from __future__ import annotations

from uuid import uuid4

import pytest

from tests.acceptance.service import Service, problem
from tests.acceptance.test_dated import FUTURE, name


@pytest.fixture
def path(service: Service) -> str:
    """An entity since 2020, renamed in 2022."""
    path = f"entities/{service.entity('First', effective_at='2020-01-01')['entity_uid']}"
    assert service.write("PATCH", path, {"display_name": "Second", "effective_at": "2022-01-01"}).status_code == 200
    return path


def test_a_bounded_change_holds_up_to_its_bound_and_then_what_was_resumes(service: Service, path: str) -> None:
    body = {"display_name": "For a while", "effective_at": "2021-01-01", "effective_until": "2021-02-01"}
    assert service.write("PATCH", path, body).json()["display_name"] == "Second"
    names = [name(service, path, at) for at in ("2020-12-31", "2021-01-01", "2021-02-01", "2022-01-01")]
    assert names == ["First", "For a while", "First", "Second"]


def test_an_undated_change_may_have_a_bound(service: Service, path: str) -> None:
    body = {"display_name": "For now", "effective_until": FUTURE}
    answer = service.write("PATCH", path, body).json()
    assert (answer["display_name"], answer["valid_to"]) == ("For now", f"{FUTURE}T00:00:00Z")
    assert name(service, path, FUTURE) == "Second"


def test_until_infinity_overwrites_what_was_to_come(service: Service, path: str) -> None:
    body = {"display_name": "For good", "effective_at": "2021-01-01", "effective_until": "infinity"}
    assert service.write("PATCH", path, body).json()["display_name"] == "For good"
    assert name(service, path, "2022-06-01") == "For good"


def test_a_retirement_may_be_bounded(service: Service, path: str) -> None:
    query = {"effective_at": "2021-01-01", "effective_until": "2021-02-01"}
    assert service.write("DELETE", path, params=query).status_code == 204
    assert problem(service.get(path, params={"as_of": "2021-01-15"}), 404)["retired_since"] == "2021-01-01T00:00:00Z"
    assert name(service, path, "2021-02-01") == "First"


@pytest.mark.parametrize(
    "span",
    [
        {"effective_at": "2021-01-01", "effective_until": "2021-01-01"},
        {"effective_at": "2021-01-02", "effective_until": "2021-01-01"},
        {"effective_until": "2021-01-01"},
        {"effective_at": "2021-01-01", "effective_until": "-infinity"},
        {"effective_at": "2021-01-01", "effective_until": "Infinity"},
        {"effective_at": "2021-01-01", "effective_until": ""},
        {"effective_at": "2021-01-01", "effective_until": "10000-01-01"},
    ],
)
@pytest.mark.parametrize("method", ["PATCH", "DELETE"])
def test_a_bound_that_is_none_or_not_later_is_400_and_names_the_field(
    service: Service, path: str, method: str, span: dict[str, str]
) -> None:
    if method == "DELETE" and not span["effective_until"]:
        return  # an empty parameter counts as absent
    head = service.head()
    body = {"display_name": "x", **span} if method == "PATCH" else None
    answer = service.write(method, path, body, params=span if method == "DELETE" else {})
    problem(answer, 400, field="effective_until")
    assert service.head() == head


def event_of(service: Service, path: str, **body: str) -> str:
    answer = service.write("PATCH", path, body)
    assert answer.status_code == 200, answer.text
    return str(answer.headers["event-id"])


def test_a_cancelled_event_is_as_if_it_had_never_been(service: Service, path: str) -> None:
    event = event_of(service, path, display_name="Wrong", effective_at="2023-01-01")
    assert name(service, path, "2023-06-01") == "Wrong"
    answer = service.write("POST", f"{path}/cancel", {"event_id": event, "reason": "mistaken identity"})
    assert (answer.status_code, answer.json()["display_name"]) == (200, "Second")
    assert name(service, path, "2023-06-01") == "Second"


def test_what_cannot_be_cancelled_is_refused_and_nothing_is_appended(service: Service, path: str) -> None:
    event = event_of(service, path, display_name="Wrong", effective_at="2023-01-01")
    cancellation = service.write("POST", f"{path}/cancel", {"event_id": event}).headers["event-id"]
    foreign = event_of(service, f"entities/{service.entity()['entity_uid']}", display_name="Other")
    head = service.head()
    cancel = f"{path}/cancel"
    problem(service.write("POST", cancel, {"event_id": event}), 409, code="already_cancelled")
    for unknown in (cancellation, foreign, str(uuid4())):
        problem(service.write("POST", cancel, {"event_id": unknown}), 400, code="unknown_event", field="event_id")
    problem(service.write("POST", cancel, {}), 400, code="required", field="event_id")
    problem(service.write("POST", cancel, {"event_id": "x"}), 400, field="event_id")
    problem(service.write("POST", cancel, {"event_id": event, "effective_at": "2023-01-01"}), 400, field="effective_at")
    problem(service.write("POST", f"entities/{uuid4()}/cancel", {"event_id": event}), 404)
    assert service.head() == head


def test_the_registration_cannot_be_cancelled_while_it_gives_existence(service: Service) -> None:
    answer = service.write("POST", "entities", {"display_name": f"X {uuid4()}", "entity_type": "PERSON"})
    path = f"entities/{answer.json()['entity_uid']}/cancel"
    problem(service.write("POST", path, {"event_id": answer.headers["event-id"]}), 409, code="gives_existence")


def test_cancelling_a_retirement_brings_the_entity_back(service: Service, path: str) -> None:
    event = service.write("DELETE", path).headers["event-id"]
    problem(service.get(path), 404)
    assert service.write("POST", f"{path}/cancel", {"event_id": event}).status_code == 200
    assert service.get(path).json()["display_name"] == "Second"


def test_a_cancellation_that_leaves_no_existence_now_answers_without_content(service: Service, path: str) -> None:
    service.write("DELETE", path)
    event = service.write("POST", f"{path}/reopen").headers["event-id"]
    answer = service.write("POST", f"{path}/cancel", {"event_id": event})
    assert (answer.status_code, answer.content) == (204, b"")


def test_every_command_may_give_a_reason_which_the_log_keeps(service: Service) -> None:
    path = f"entities/{service.entity(reason='met at the fair')['entity_uid']}"
    service.write("PATCH", path, {"display_name": "A", "reason": "spelling"})
    service.write("PUT", path, {"display_name": "B", "entity_type": "PERSON", "reason": "review"})
    service.write("DELETE", path, params={"reason": "left us"})
    service.write("POST", f"{path}/reopen", {"reason": "came back"})
    stream = f"entity:{path.removeprefix('entities/')}"
    kept = [
        reason
        for name, reason in service.sql(
            "SELECT stream, payload -> 'context' ->> 'reason' FROM log.event ORDER BY position"
        )
        if name == stream
    ]
    assert kept == ["met at the fair", "spelling", "review", "left us", "came back"]


@pytest.mark.parametrize("reason", ["", " ", "x" * 1001, 5])
def test_a_reason_is_1_to_1000_characters(service: Service, path: str, reason: object) -> None:
    problem(service.write("PATCH", path, {"display_name": "A", "reason": reason}), 400, field="reason")
