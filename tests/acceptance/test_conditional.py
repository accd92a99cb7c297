"""The contract's conditions: If-Match on writes, If-None-Match on reads, and ETags that change as the content does."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import httpx2
import pytest

from tests.acceptance.service import Json, Service, Start, problem

STALE = '"00000000-0000-7000-8000-000000000000.1"'
WRITES: list[tuple[str, str, Json | None]] = [
    ("PATCH", "", {"display_name": "Matched"}),
    ("PUT", "", {"display_name": "Matched", "entity_type": "PERSON"}),
    ("DELETE", "", None),
]


def matching(service: Service, method: str, path: str, body: Json | None, tag: str, **more: Any) -> httpx2.Response:
    return service.write(method, path, body, headers={"If-Match": tag, **more})


@pytest.fixture
def path(service: Service) -> str:
    return f"entities/{service.entity(effective_at='2020-01-01')['entity_uid']}"


@pytest.mark.parametrize(("method", "below", "body"), WRITES)
def test_a_write_takes_the_etag_of_a_read(
    service: Service, path: str, method: str, below: str, body: Json | None
) -> None:
    tag = service.get(path).headers["etag"]
    assert matching(service, method, path + below, body, tag).is_success


@pytest.mark.parametrize(("method", "below", "body"), WRITES)
def test_a_stale_etag_is_412_with_the_current_one(
    service: Service, path: str, method: str, below: str, body: Json | None
) -> None:
    current, head = service.get(path).headers["etag"], service.head()
    answer = matching(service, method, path + below, body, STALE)
    problem(answer, 412, code="precondition_failed")
    assert (answer.headers["etag"], service.head()) == (current, head)
    assert matching(service, method, path + below, body, answer.headers["etag"]).is_success


def test_a_write_takes_the_etag_of_the_last_write(service: Service, path: str) -> None:
    tag = service.get(path).headers["etag"]
    for n in range(3):
        answer = matching(service, "PATCH", path, {"display_name": f"Step {n}"}, tag)
        assert answer.status_code == 200
        assert answer.headers["etag"] != tag
        tag = answer.headers["etag"]
        assert service.get(path).headers["etag"] == tag


def test_of_two_writers_with_one_etag_the_second_is_refused(service: Service, path: str) -> None:
    tag = service.get(path).headers["etag"]
    assert matching(service, "PATCH", path, {"display_name": "Mine"}, tag).status_code == 200
    problem(matching(service, "PATCH", path, {"display_name": "Yours"}, tag), 412)
    assert service.get(path).json()["display_name"] == "Mine"


def test_of_many_writers_at_once_with_one_etag_one_wins(service: Service, path: str) -> None:
    tag = service.get(path).headers["etag"]
    with ThreadPoolExecutor(8) as pool:
        bodies = [{"display_name": f"Writer {n}"} for n in range(16)]
        answers = list(pool.map(lambda body: matching(service, "PATCH", path, body, tag), bodies))
    assert sorted(answer.status_code for answer in answers) == [200] + [412] * 15
    (winner,) = [answer for answer in answers if answer.status_code == 200]
    assert service.get(path).json() == winner.json()


def test_a_stale_etag_is_412_even_where_nothing_would_change(service: Service, path: str) -> None:
    problem(matching(service, "PATCH", path, {}, STALE), 412)


def test_a_star_matches_what_exists(service: Service, path: str) -> None:
    assert matching(service, "PATCH", path, {"display_name": "Any"}, "*").status_code == 200
    problem(matching(service, "PATCH", f"entities/{uuid4()}", {"display_name": "Any"}, "*"), 404)


def test_one_of_several_etags_is_enough(service: Service, path: str) -> None:
    tag = service.get(path).headers["etag"]
    assert matching(service, "PATCH", path, {"display_name": "Any"}, f"{STALE}, {tag}").status_code == 200


def test_a_weak_etag_matches_no_write(service: Service, path: str) -> None:
    problem(matching(service, "PATCH", path, {}, f"W/{service.get(path).headers['etag']}"), 412)


def test_a_reopening_takes_if_match(service: Service, path: str) -> None:
    retired = service.write("DELETE", path)
    answer = matching(service, "POST", f"{path}/reopen", None, STALE)
    problem(answer, 412)
    assert matching(service, "POST", f"{path}/reopen", None, answer.headers["etag"]).status_code == 200
    assert retired.status_code == 204


def test_delete_answers_with_an_etag(service: Service, path: str) -> None:
    retired = service.write("DELETE", path)
    assert matching(service, "POST", f"{path}/reopen", None, retired.headers["etag"]).status_code == 200


def test_a_replay_by_key_comes_before_the_condition(service: Service, path: str) -> None:
    tag, key = service.get(path).headers["etag"], {"Idempotency-Key": uuid4().hex}
    first = matching(service, "PATCH", path, {"display_name": "Once"}, tag, **key)
    again = matching(service, "PATCH", path, {"display_name": "Once"}, tag, **key)
    assert (first.status_code, again.status_code) == (200, 200)
    assert again.headers["idempotent-replayed"] == "true"


READS = ("{}", "entities", "{}/history", "entities-asof?as_of=2020-06-01", "entity-types")


@pytest.mark.parametrize("read", READS)
def test_who_holds_the_representation_gets_304_without_a_body(service: Service, path: str, read: str) -> None:
    url = read.format(path)
    tag = service.get(url).headers["etag"]
    for given in (tag, f"W/{tag}", f'"other", {tag}', "*"):
        answer = service.get(url, headers={"If-None-Match": given})
        assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", tag)
    assert service.ask("HEAD", url, headers={"If-None-Match": tag}).status_code == 304
    assert service.get(url, headers={"If-None-Match": STALE}).status_code == 200


@pytest.mark.parametrize("read", ["{}", "entities?page_size=500", "{}/history"])
def test_an_etag_changes_as_the_representation_does(service: Service, path: str, read: str) -> None:
    url = read.format(path)
    tag = service.get(url).headers["etag"]
    service.write("PATCH", path, {"display_name": "Changed"})
    answer = service.get(url, headers={"If-None-Match": tag})
    assert answer.status_code == 200
    assert answer.headers["etag"] != tag


@pytest.fixture(scope="module")
def careful(start: Start) -> Service:
    """A service that asks for If-Match on every change."""
    return start(COCKPIT_REQUIRE_IF_MATCH="true")


@pytest.mark.parametrize(("method", "below", "body"), [*WRITES, ("POST", "/reopen", {})])
def test_where_it_is_mandatory_a_change_without_if_match_is_428(
    careful: Service, method: str, below: str, body: Json | None
) -> None:
    path = f"entities/{careful.entity()['entity_uid']}"
    if below:
        assert matching(careful, "DELETE", path, None, "*").status_code == 204
    head = careful.head()
    problem(careful.write(method, path + below, body), 428, code="precondition_required")
    assert careful.head() == head
    assert matching(careful, method, path + below, body, "*").is_success


def test_where_it_is_mandatory_the_same_registration_again_is_none(careful: Service) -> None:
    made = {"display_name": "Jo", "entity_type": "PERSON", "entity_uid": str(uuid4())}
    assert careful.write("POST", "entities", made).status_code == 201
    assert careful.write("POST", "entities", made).status_code == 200
