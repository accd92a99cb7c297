"""The contract's types: who may change them, which codes there may be, what a deactivated one still allows."""

from __future__ import annotations

from uuid import uuid4

import pytest

from tests.acceptance.service import Json, Service, problem


def code() -> str:
    return f"T{uuid4().hex[:12].upper()}"


def add(service: Service, kind: str, **more: object) -> Json:
    body = {"code": code(), "name": "Name", **more}
    answer = service.write("POST", f"{kind}-types", body, user="user_2")
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


@pytest.mark.parametrize(
    ("kind", "codes"), [("entity", {"PERSON", "INSTITUTION"}), ("detail", {"EMAIL", "PHONE", "ADDRESS", "WEBSITE"})]
)
def test_the_lists_hold_code_name_description_and_is_active(service: Service, kind: str, codes: set[str]) -> None:
    page = service.get(f"{kind}-types", params={"page_size": 500}).json()
    assert {row["code"] for row in page["results"]} >= codes
    assert all(list(row) == ["code", "name", "description", "is_active"] for row in page["results"])
    assert page["count"] == len(page["results"])


@pytest.mark.parametrize("kind", ["entity", "detail"])
def test_an_admin_adds_and_changes_a_type(service: Service, kind: str) -> None:
    made = add(service, kind, description="What it is")
    assert made == {"code": made["code"], "name": "Name", "description": "What it is", "is_active": True}
    path = f"{kind}-types/{made['code']}"
    for change in ({"name": "Other"}, {"description": ""}, {"is_active": False}, {"is_active": True}):
        made |= change
        answer = service.write("PATCH", path, change, user="user_2")
        assert (answer.status_code, answer.json()) == (200, made)
        found = service.get(f"{kind}-types", params={"page_size": 500}).json()["results"]
        assert made in found


@pytest.mark.parametrize("kind", ["entity", "detail"])
def test_it_takes_the_scope_admin(service: Service, kind: str) -> None:
    head = service.head()
    problem(service.write("POST", f"{kind}-types", {"code": "NEW", "name": "New"}), 403)
    problem(service.write("PATCH", f"{kind}-types/EMAIL", {"name": "New"}), 403)
    assert service.head() == head


@pytest.mark.parametrize("given", ["", "abc", "A-B", "Ä", "A" * 51, "A B", 5, None])
def test_a_code_is_1_to_50_of_capitals_digits_and_underscores(service: Service, given: object) -> None:
    head = service.head()
    body = {"code": given, "name": "x"}
    problem(service.write("POST", "entity-types", body, user="user_2"), 400, field="code")
    assert service.head() == head


def test_a_code_is_taken_once(service: Service) -> None:
    made = add(service, "entity")
    head = service.head()
    assert service.write("POST", "entity-types", made, user="user_2").status_code == 200
    problem(service.write("POST", "entity-types", {**made, "name": "Other"}, user="user_2"), 409)
    problem(service.write("PATCH", f"entity-types/{code()}", {"name": "x"}, user="user_2"), 404)
    assert service.head() == head


def test_a_deactivated_type_refuses_new_use(service: Service) -> None:
    kind, detail = add(service, "entity")["code"], add(service, "detail")["code"]
    for path in (f"entity-types/{kind}", f"detail-types/{detail}"):
        assert service.write("PATCH", path, {"is_active": False}, user="user_2").status_code == 200
    entity, head = service.entity(), service.head()
    body = {"display_name": "x", "entity_type": kind}
    problem(service.write("POST", "entities", body), 400, code="unknown_type", field="entity_type")
    path = f"entities/{entity['entity_uid']}"
    problem(service.write("PATCH", path, {"entity_type": kind}), 400, code="unknown_type", field="entity_type")
    value = {"details": [{"detail_type": detail, "detail_value": "x"}]}
    problem(service.write("PATCH", path, value), 400, code="unknown_type", field="details")
    problem(service.get("entities", params={"type": kind}), 400, field="type")
    assert service.head() == head


def test_an_entity_whose_type_has_been_deactivated_can_still_be_changed_otherwise(service: Service) -> None:
    kind = add(service, "entity")["code"]
    entity = service.entity(kind=kind)
    service.write("PATCH", f"entity-types/{kind}", {"is_active": False}, user="user_2")
    path = f"entities/{entity['entity_uid']}"
    changed = service.write("PATCH", path, {"display_name": "Still"})
    assert (changed.status_code, changed.json()["entity_type"]) == (200, kind)
    put = service.write("PUT", path, changed.json() | {"display_name": "Still there"})
    assert put.status_code == 200
    assert service.get(path).json()["display_name"] == "Still there"
