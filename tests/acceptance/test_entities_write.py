"""The contract's writes on entities: POST, PATCH, PUT, DELETE, reopen."""

from __future__ import annotations

from uuid import uuid4

import pytest

from tests.acceptance.service import API, Json, Service, problem

SHAPE = [
    "id",
    "entity_uid",
    "display_name",
    "entity_type",
    "valid_from",
    "valid_to",
    "is_current",
    "hashdiff",
    "entity_details",
]
DETAIL = ["id", "detail_type", "detail_value", "valid_from", "valid_to", "is_current", "hashdiff"]


def details(**values: str | None) -> list[Json]:
    return [{"detail_type": code, "detail_value": value} for code, value in values.items()]


def values(entity: Json) -> dict[str, str]:
    return {detail["detail_type"]: detail["detail_value"] for detail in entity["entity_details"]}


def path(entity: Json, more: str = "") -> str:
    return f"entities/{entity['entity_uid']}{more}"


def test_post_answers_201_with_the_entity_its_location_and_details_in_order(service: Service) -> None:
    body = {"display_name": f"New {uuid4()}", "entity_type": "PERSON", "details": details(PHONE="1", EMAIL="a@b")}
    answer = service.write("POST", "entities", body)
    entity = answer.json()
    assert (answer.status_code, list(entity)) == (201, SHAPE)
    assert answer.headers["location"] == f"{API}/{path(entity)}"
    assert [list(detail) for detail in entity["entity_details"]] == [DETAIL, DETAIL]
    assert list(values(entity).items()) == [("EMAIL", "a@b"), ("PHONE", "1")]
    assert isinstance(entity["id"], int)
    assert (entity["valid_to"], entity["is_current"], len(entity["hashdiff"])) == (None, True, 64)
    assert service.get(answer.headers["location"]).json() == entity


def test_a_client_may_bring_its_own_uid_and_say_it_again(service: Service) -> None:
    body = {"display_name": "Own uid", "entity_type": "PERSON", "entity_uid": str(uuid4())}
    first = service.write("POST", "entities", body)
    head = service.head()
    again = service.write("POST", "entities", body)
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()
    assert first.json()["entity_uid"] == body["entity_uid"]
    problem(service.write("POST", "entities", {**body, "display_name": "Other"}), 409, code="already_registered")
    assert service.head() == head


def test_names_up_to_255_and_values_up_to_10000_characters_are_kept(service: Service) -> None:
    name, value = "ü" * 255, "😀" * 10_000
    entity = service.entity(name, details=details(ADDRESS=value))
    assert service.get(path(entity)).json() == entity
    assert (entity["display_name"], values(entity)) == (name, {"ADDRESS": value})


def test_patch_is_truly_partial(service: Service) -> None:
    entity = service.entity(details=details(EMAIL="a@b", PHONE="1"))
    changed = service.write("PATCH", path(entity), {"display_name": "Renamed"}).json()
    assert (changed["display_name"], changed["entity_type"]) == ("Renamed", "PERSON")
    assert changed["entity_details"] == entity["entity_details"]
    retyped = service.write("PATCH", path(entity), {"entity_type": "INSTITUTION"}).json()
    assert (retyped["display_name"], retyped["entity_type"]) == ("Renamed", "INSTITUTION")


def test_patch_upserts_listed_details_and_leaves_the_others(service: Service) -> None:
    entity = service.entity(details=details(EMAIL="a@b", PHONE="1"))
    changed = service.write("PATCH", path(entity), {"details": details(EMAIL="c@d", WEBSITE="w")}).json()
    assert values(changed) == {"EMAIL": "c@d", "PHONE": "1", "WEBSITE": "w"}
    assert service.write("PATCH", path(entity), {"details": []}).json() == changed


def test_a_null_value_removes_a_detail(service: Service) -> None:
    entity = service.entity(details=details(EMAIL="a@b", PHONE="1"))
    changed = service.write("PATCH", path(entity), {"details": details(EMAIL=None)}).json()
    assert values(changed) == {"PHONE": "1"}
    head = service.head()
    assert service.write("PATCH", path(entity), {"details": details(EMAIL=None)}).json() == changed
    assert service.head() == head


def test_a_change_of_a_detail_alone_starts_no_new_entity_version(service: Service) -> None:
    entity = service.entity(details=details(EMAIL="a@b", PHONE="1"))
    changed = service.write("PATCH", path(entity), {"details": details(EMAIL="c@d")}).json()
    assert {**changed, "entity_details": []} == {**entity, "entity_details": []}
    assert changed["entity_details"][1] == entity["entity_details"][1]
    assert changed["entity_details"][0]["valid_from"] > entity["valid_from"]
    assert service.get(path(entity)).json() == changed


@pytest.mark.parametrize("body", [{}, {"details": []}, {"display_name": "Same"}, {"details": details(EMAIL="a@b")}])
def test_a_patch_that_changes_nothing_appends_nothing(service: Service, body: Json) -> None:
    entity = service.entity(f"Same {uuid4()}", details=details(EMAIL="a@b"))
    if "display_name" in body:
        body = {**body, "display_name": entity["display_name"]}
    head = service.head()
    answer = service.write("PATCH", path(entity), body)
    assert (answer.status_code, answer.json(), service.head()) == (200, entity, head)
    assert "event-id" not in answer.headers


def test_one_patch_is_one_event_and_one_instant_for_all_that_it_changes(service: Service) -> None:
    entity = service.entity(details=details(EMAIL="a@b"))
    head = service.head()
    body = {"display_name": "One", "entity_type": "INSTITUTION", "details": details(EMAIL="c@d", PHONE="1")}
    changed = service.write("PATCH", path(entity), body).json()
    assert service.head() == head + 1
    assert {changed["valid_from"]} == {detail["valid_from"] for detail in changed["entity_details"]}


def test_put_replaces_the_whole_and_ends_what_is_not_listed(service: Service) -> None:
    entity = service.entity(details=details(EMAIL="a@b", PHONE="1"))
    body = {"display_name": "Whole", "entity_type": "PERSON", "details": details(WEBSITE="w")}
    replaced = service.write("PUT", path(entity), body)
    assert (replaced.status_code, values(replaced.json())) == (200, {"WEBSITE": "w"})
    bare = service.write("PUT", path(entity), {"display_name": "Whole", "entity_type": "PERSON"})
    assert values(bare.json()) == {}


def test_get_edit_put_keeps_what_was_read(service: Service) -> None:
    made = service.entity(details=details(EMAIL="a@b", PHONE="1"))
    read = service.get(path(made)).json()
    read["entity_details"][0]["detail_value"] = "c@d"
    put = service.write("PUT", path(made), read).json()
    assert values(put) == {"EMAIL": "c@d", "PHONE": "1"}
    assert put["entity_details"][1] == made["entity_details"][1]
    patched = service.write("PATCH", path(made), {"entity_details": details(PHONE="2")}).json()
    assert values(patched) == {"EMAIL": "c@d", "PHONE": "2"}


def test_details_under_both_names_at_once_are_refused(service: Service) -> None:
    entity = service.entity()
    body = {"display_name": "x", "entity_type": "PERSON", "details": [], "entity_details": []}
    for method in ("PUT", "PATCH"):
        problem(service.write(method, path(entity), body), 400, field="entity_details")


def test_delete_retires_and_loses_nothing(service: Service) -> None:
    entity = service.entity(effective_at="2020-01-01", details=details(EMAIL="a@b"))
    assert service.write("DELETE", path(entity)).status_code == 204
    problem(service.write("DELETE", path(entity)), 409, code="retired")
    gone = problem(service.get(path(entity)), 404, code="retired")
    assert gone["retired_since"].endswith("Z")
    assert service.get(gone["history"]).json()["count"] == 2
    before = service.get(path(entity), params={"as_of": "2021-01-01"})
    assert (before.status_code, values(before.json())) == (200, {"EMAIL": "a@b"})
    audit = service.get("audit", user="user_1", params={"entity_uid": entity["entity_uid"]}).json()["results"]
    assert [row["operation"] for row in audit] == ["DELETE", "DELETE", "INSERT", "INSERT"]
    diff = service.get(
        "diff", params={"from": "2021-01-01", "to": "2999-01-01", "entity_uid": entity["entity_uid"]}
    ).json()["results"][0]["changes"]
    assert ("exists", True, False) in [(step["field"], step["before"], step["after"]) for step in diff]


def test_a_retired_entity_takes_no_change(service: Service) -> None:
    entity = service.entity()
    service.write("DELETE", path(entity))
    head = service.head()
    problem(service.write("PATCH", path(entity), {"display_name": "x"}), 409, code="retired")
    problem(service.write("PUT", path(entity), {"display_name": "x", "entity_type": "PERSON"}), 409, code="retired")
    assert service.head() == head


def test_a_retired_uid_posted_again_is_409_that_names_reopen(service: Service) -> None:
    entity = service.entity()
    service.write("DELETE", path(entity))
    body = {name: entity[name] for name in ("display_name", "entity_type", "entity_uid")}
    body = problem(service.write("POST", "entities", body), 409, code="retired")
    assert body["reopen"] == f"{API}/{path(entity, '/reopen')}"
    assert "reopen" in body["detail"]


def test_reopen_brings_back_what_was(service: Service) -> None:
    entity = service.entity(details=details(EMAIL="a@b"))
    problem(service.write("POST", path(entity, "/reopen")), 409, code="already_open")
    service.write("DELETE", path(entity))
    opened = service.write("POST", path(entity, "/reopen"))
    assert (opened.status_code, values(opened.json())) == (200, {"EMAIL": "a@b"})
    assert opened.json()["display_name"] == entity["display_name"]
    assert service.get(path(entity)).json() == opened.json()


def test_reopen_may_give_other_values(service: Service) -> None:
    entity = service.entity(details=details(EMAIL="a@b", PHONE="1"))
    service.write("DELETE", path(entity))
    body = {"display_name": "Back", "details": details(EMAIL=None, WEBSITE="w")}
    opened = service.write("POST", path(entity, "/reopen"), body).json()
    assert (opened["display_name"], values(opened)) == ("Back", {"PHONE": "1", "WEBSITE": "w"})


def test_a_hash_tells_case_apart(service: Service) -> None:
    name = f"Case {uuid4()}"
    assert len({service.entity(each)["hashdiff"] for each in (name, name.upper(), name.lower())}) == 3
    values = [service.entity(details=details(EMAIL=each))["entity_details"][0]["hashdiff"] for each in ("a|b", "A|b")]
    assert len(set(values)) == 2


def test_the_same_content_has_the_same_hash(service: Service) -> None:
    hashes = {service.entity(details=details(EMAIL="a@b"))["entity_details"][0]["hashdiff"] for _ in range(2)}
    assert len(hashes) == 1


def test_a_change_of_case_is_a_change(service: Service) -> None:
    entity = service.entity()
    assert service.write("PATCH", path(entity), {"display_name": entity["display_name"].upper()}).headers["event-id"]


def test_a_write_and_an_immediate_read_agree(service: Service) -> None:
    for n in range(20):
        entity = service.entity()
        assert service.get(path(entity)).json() == entity
        changed = service.write("PATCH", path(entity), {"display_name": f"Renamed {n}"}).json()
        assert service.get(path(entity)).json() == changed
