"""The contract's reads of entities: the list, its filters, orders and pages, and the single one."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import pytest

from tests.acceptance.service import Json, Service, problem


@pytest.fixture(scope="module")
def mark(service: Service) -> str:
    """A word that the names of 23 entities of this module have, and no others."""
    word = uuid4().hex
    for n in range(23):
        email = [{"detail_type": "EMAIL", "detail_value": f"{word}-{n % 2}@x"}]
        service.entity(f"{chr(97 + n)} {word}", "PERSON" if n % 3 else "INSTITUTION", details=email)
    return word


def listed(service: Service, **params: object) -> Json:
    answer = service.get("entities", params={name.rstrip("_"): value for name, value in params.items()})
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def names(page: Json) -> Sequence[str]:
    return [entity["display_name"][0] for entity in page["results"]]


LETTERS = "abcdefghijklmnopqrstuvw"


def test_the_list_is_newest_first(service: Service, mark: str) -> None:
    page = listed(service, q=mark)
    assert page.keys() == {"count", "next", "previous", "results"}
    assert (page["count"], page["previous"]) == (23, None)
    assert "".join(names(page)) == LETTERS[::-1][:10]


def test_pages_follow_each_other_to_the_end_and_back(service: Service, mark: str) -> None:
    page = service.get(f"entities?q={mark}").json()
    seen, pages = [entity["entity_uid"] for entity in page["results"]], 1
    while page["next"]:
        page = service.get(page["next"]).json()
        seen += [entity["entity_uid"] for entity in page["results"]]
        pages += 1
    assert (len(seen), len(set(seen)), pages) == (23, 23, 3)
    assert parse_qs(urlsplit(page["previous"]).query) == {"q": [mark], "page": ["2"]}
    assert "page" not in parse_qs(urlsplit(service.get(page["previous"]).json()["previous"]).query)


def test_past_the_end_there_is_the_true_count_and_no_results(service: Service, mark: str) -> None:
    page = listed(service, q=mark, page=99)
    assert (page["count"], page["results"], page["next"]) == (23, [], None)
    assert page["previous"].endswith("page=3")


def test_page_size_is_1_to_500(service: Service, mark: str) -> None:
    assert len(listed(service, q=mark, page_size=1)["results"]) == 1
    assert len(listed(service, q=mark, page_size=500)["results"]) == 23


def test_count_none_leaves_the_count_null(service: Service, mark: str) -> None:
    page = listed(service, q=mark, count="none", page_size=20)
    assert (page["count"], len(page["results"])) == (None, 20)
    assert page["next"] is not None
    assert listed(service, q=mark, count="none", page_size=20, page=2)["next"] is None
    assert listed(service, q=mark, count="none", page_size=23)["next"] is None


def test_q_is_part_of_the_name_in_any_case(service: Service, mark: str) -> None:
    assert listed(service, q=f"M {mark.upper()}"[:20])["count"] == 1
    name = f"STRASSE Ärger {uuid4()}"
    service.entity(name)
    assert listed(service, q=name.lower())["count"] == 1


@pytest.mark.parametrize("sign", ["%", "_", "\\", "'", '"', "*"])
def test_q_takes_every_sign_as_itself(service: Service, mark: str, sign: str) -> None:
    word = uuid4().hex
    service.entity(f"{word}x")
    assert listed(service, q=f"{word}{sign}")["count"] == 0
    service.entity(f"{word}{sign}")
    assert listed(service, q=f"{word}{sign}")["count"] == 1


def test_type_is_an_exact_code(service: Service, mark: str) -> None:
    assert listed(service, q=mark, type="INSTITUTION")["count"] == 8
    assert listed(service, q=mark, type="PERSON")["count"] == 15
    problem(service.get("entities", params={"type": "person"}), 400, field="type")


def test_empty_parameters_count_as_absent(service: Service, mark: str) -> None:
    empty = {"q": "", "type": "", "page": ""}
    assert service.get("entities", params=empty).json()["count"] == listed(service)["count"]


def test_the_plain_count_and_that_of_a_type_are_exact(service: Service, mark: str) -> None:
    before, institutions = listed(service)["count"], listed(service, type="INSTITUTION")["count"]
    entity = service.entity()
    assert listed(service)["count"] == before + 1
    service.write("PATCH", f"entities/{entity['entity_uid']}", {"entity_type": "INSTITUTION"})
    assert listed(service, type="INSTITUTION")["count"] == institutions + 1
    service.write("DELETE", f"entities/{entity['entity_uid']}")
    assert (listed(service)["count"], listed(service, type="INSTITUTION")["count"]) == (before, institutions)


def test_order_may_be_by_name_or_uid(service: Service, mark: str) -> None:
    assert "".join(names(listed(service, q=mark, order="display_name", page_size=50))) == LETTERS
    uids = [e["entity_uid"] for e in listed(service, q=mark, order="entity_uid", page_size=50)["results"]]
    assert uids == sorted(uids)
    newest = listed(service, q=mark, order="-valid_from", page_size=50)
    assert "".join(names(newest)) == LETTERS[::-1]


def test_a_list_may_be_of_those_with_a_detail(service: Service, mark: str) -> None:
    page = listed(service, detail_type="EMAIL", detail_value=f"{mark}-1@x", page_size=50)
    assert "".join(names(page)) == LETTERS[1::2][::-1]
    assert listed(service, detail_type="EMAIL", detail_value=f"{mark}-1")["count"] == 0
    assert listed(service, detail_type="PHONE", detail_value=f"{mark}-1@x")["count"] == 0


def test_a_retired_entity_is_not_in_the_list(service: Service, mark: str) -> None:
    entity = service.entity(f"gone {uuid4()}")
    service.write("DELETE", f"entities/{entity['entity_uid']}")
    assert listed(service, q=entity["display_name"])["count"] == 0


def test_a_uid_in_capitals_names_the_same_entity(service: Service) -> None:
    entity = service.entity()
    assert service.get(f"entities/{entity['entity_uid'].upper()}").json() == entity


def test_one_entity_at_an_instant(service: Service) -> None:
    entity = service.entity("First", effective_at="2020-01-01")
    uid = entity["entity_uid"]
    service.write("PATCH", f"entities/{uid}", {"display_name": "Second", "effective_at": "2021-01-01"})
    then = service.get(f"entities/{uid}", params={"as_of": "2020-06-01"})
    assert (then.json()["display_name"], then.json()["valid_to"]) == ("First", "2021-01-01T00:00:00Z")
    assert then.headers["as-of"] == "2020-06-01T00:00:00Z"
    assert service.get(f"entities/{uid}").json()["display_name"] == "Second"
    problem(service.get(f"entities/{uid}", params={"as_of": "2019-12-31"}), 404)


def test_ids_name_version_rows_and_stay(service: Service) -> None:
    entity = service.entity()
    uid = entity["entity_uid"]
    changed = service.write("PATCH", f"entities/{uid}", {"display_name": "Another"}).json()
    assert changed["id"] != entity["id"]
    assert service.get(f"entities/{uid}").json()["id"] == changed["id"]
    assert service.get(f"entities/{uid}", params={"as_of": entity["valid_from"]}).json()["id"] == entity["id"]


def test_pages_by_cursor_join_up_whatever_is_written_between(service: Service, mark: str) -> None:
    whole = listed(service, q=mark, page_size=500)["results"]
    page = listed(service, q=mark, page_size=10, cursor="*")
    found = page["results"]
    while page["next"]:
        service.entity(f"Between {mark} {uuid4()}")
        query = {name: values[0] for name, values in parse_qs(urlsplit(page["next"]).query).items()}
        page = listed(service, **query)
        found += page["results"]
    assert found == whole
    assert page["count"] == len(whole)
