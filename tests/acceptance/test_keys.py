"""What other systems call entities: a list may be of those with a key, now, as of an instant, and as it was known."""

from __future__ import annotations

from uuid import uuid4

import pytest

from tests.acceptance.service import Json, Service
from tests.acceptance.test_batch import line, lines, post


@pytest.fixture(scope="module")
def source(service: Service) -> str:
    """A system that calls one entity 1 and another 2, the first one John for a day before it was Ann."""
    name = f"s-{uuid4().hex}"
    rows = [
        line("1", name, display_name=f"John {name}", effective_at="2024-01-01", details={"EMAIL": f"{name}@x"}),
        line("2", name, display_name=f"Bo {name}", effective_at="2024-02-01"),
        line("1", name, display_name=f"Ann {name}", effective_at="2024-01-02"),
        line("1", f"{name}.b", display_name=f"Cy {name}"),
    ]
    told = post(service, lines(rows))
    service.get("entities", params={"min_position": told[-1]["position"]}).raise_for_status()
    return name


def names(service: Service, path: str) -> list[str]:
    return [entity["display_name"].partition(" ")[0] for entity in found(service, path)]


def found(service: Service, path: str) -> list[Json]:
    answer = service.get(path)
    assert answer.status_code == 200, answer.text
    page: Json = answer.json()
    assert page["count"] == len(page["results"])
    return list(page["results"])


def test_a_list_may_be_of_those_with_a_key(service: Service, source: str) -> None:
    assert names(service, f"entities?external_id=1&source={source}") == ["Ann"]
    assert set(names(service, f"entities?external_id=1&q={source}")) == {"Ann", "Cy"}
    assert names(service, f"entities?external_id=1&source={source}&type=INSTITUTION") == []
    assert names(service, f"entities?external_id=1&q={source}&order=display_name") == ["Ann", "Cy"]
    email = f"detail_type=EMAIL&detail_value={source}@x"
    assert names(service, f"entities?external_id=1&{email}") == ["Ann"]
    assert names(service, f"entities?external_id=nobody&source={source}") == []


def test_a_key_finds_its_entity_as_of_any_instant(service: Service, source: str) -> None:
    key = f"external_id=1&source={source}"
    assert names(service, f"entities-asof?as_of=2024-01-01&{key}") == ["John"]
    assert names(service, f"entities-asof?as_of=2024-01-03&{key}&order=-valid_from") == ["Ann"]
    assert names(service, f"entities-asof?as_of=2023-01-01&{key}") == []
    assert names(service, f"entities?as_of=2024-01-01&{key}&order=display_name") == ["John"]


@pytest.mark.parametrize("order", ["entity_uid", "-valid_from"])
def test_a_key_is_known_from_its_claim_on(service: Service, source: str, order: str) -> None:
    (key,) = found(service, f"external-keys?source={source}&external_id=1")
    asked = f"entities?external_id=1&source={source}&as_of=2024-01-01&order={order}"
    assert names(service, f"{asked}&position={key['position']}") == ["John"]
    assert names(service, f"{asked}&position={key['position'] - 1}") == []
    assert found(service, f"external-keys?source={source}&position={key['position'] - 1}") == []


def test_keys_are_listed_with_the_event_that_claimed_them(service: Service, source: str) -> None:
    one, two = found(service, f"external-keys?source={source}")
    assert (one["source"], one["external_id"], one["actor"]) == (source, "1", "user_1")
    assert one["position"] < two["position"]
    assert one.keys() == {"source", "external_id", "entity_uid", "event_id", "position", "recorded_at", "actor"}
    assert found(service, f"external-keys?entity_uid={one['entity_uid']}") == [one]
    assert found(service, f"external-keys?external_id=2&source={source}&entity_uid={one['entity_uid']}") == []


def test_pages_of_keys_join_up_by_cursor(service: Service, source: str) -> None:
    first = service.get(f"external-keys?source={source}&page_size=1&cursor=*").json()
    second = service.get(first["next"]).json()
    assert second["next"] is None
    assert [*first["results"], *second["results"]] == found(service, f"external-keys?source={source}")
    assert service.get(second["previous"]).json()["results"] == first["results"]


def test_a_list_of_those_with_a_key_has_cursors_too(service: Service, source: str) -> None:
    asked = f"entities?external_id=1&q={source}&page_size=1&cursor=*"
    for order in ("", "&order=entity_uid", "&order=display_name"):
        first = service.get(asked + order).json()
        second = service.get(first["next"]).json()
        assert second["next"] is None
        shown = {entity["display_name"].partition(" ")[0] for entity in (*first["results"], *second["results"])}
        assert shown == {"Ann", "Cy"}
