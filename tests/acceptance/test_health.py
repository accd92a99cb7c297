"""The contract's health: the original's keys, ours beside them, and the pages that stand beside it."""

from __future__ import annotations

import httpx2
import pytest

from tests.acceptance.service import Service, banner_url, process
from tests.conftest import Clone


def test_ping_has_the_keys_that_the_originals_clients_know(service: Service) -> None:
    answer = service.get("/ping/")
    assert answer.status_code == 200
    body = answer.json()
    assert (body["status"], body["database"]) == ("healthy", "connected")
    assert body["timestamp"].endswith("Z")
    assert body["environment"].keys() >= {"debug", "environment", "python_version"}
    assert body["environment"]["environment"] == "test"
    assert body["endpoints"] == {"api_base": "/api/v1/", "admin": "/admin/", "ping": "/ping/"}


def test_ping_tells_which_features_are_on(service: Service) -> None:
    features = service.get("/ping/").json()["features"]
    assert features.keys() >= {"scd2_versioning", "temporal_queries", "audit_logging", "token_auth"}
    assert set(features.values()) == {True}


def test_ping_tells_the_head_the_checkpoint_the_lag_and_what_is_parked(service: Service) -> None:
    service.get("entities", params={"min_position": service.head()})
    body = service.get("/ping/").json()
    assert body["head_position"] == body["checkpoint"] == service.head()
    assert (body["lag"], body["parked"]) == (0, 0)


def test_ping_has_no_django_version_but_ours(service: Service) -> None:
    versions = service.get("/ping/").json()["environment"]
    assert versions["django_version"] is None
    assert versions["fastapi_version"]
    assert versions["postgresql_version"]


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/docs", "/openapi.json", "/ping", "/livez/", "/readyz/"])
def test_these_stand_beside_it(service: Service, path: str) -> None:
    assert service.get(path).status_code == 200


def test_without_a_projector_the_service_is_alive_but_not_ready(
    clone: Clone, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("alone")
    with clone() as conninfo, process(folder, conninfo, "api", "--side", "both") as running:
        url = banner_url(running)
        assert httpx2.get(f"{url}/livez").status_code == 200
        ready = httpx2.get(f"{url}/readyz")
        assert (ready.status_code, ready.json()["reason"]) == (503, "no projector is running")


@pytest.mark.parametrize(
    ("kind", "said", "unsaid"), [("production", "cockpit token create", "user_1"), ("test", "user_1", "token create")]
)
def test_what_it_says_when_it_is_ready_names_a_sample_user_only_where_there_is_one(
    clone: Clone, tmp_path_factory: pytest.TempPathFactory, kind: str, said: str, unsaid: str
) -> None:
    folder = tmp_path_factory.mktemp("ready")
    with clone() as conninfo, process(folder, conninfo, "api", COCKPIT_ENVIRONMENT=kind) as running:
        banner_url(running)
        assert running.stdout is not None
        words = "".join(line for line in iter(running.stdout.readline, "  stop     Ctrl-C\n"))
    assert said in words
    assert unsaid not in words


def test_each_side_runs_as_a_process_of_its_own(clone: Clone, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("sides")
    with (
        clone() as conninfo,
        process(folder, conninfo, "api", "--side", "both") as both,
        process(folder, conninfo, "api", "--side", "write") as writing,
        process(folder, conninfo, "api", "--side", "read") as reading,
        process(folder, conninfo, "project"),
    ):
        service = Service(banner_url(both), conninfo, folder)
        write_url, read_url = banner_url(writing), banner_url(reading)
        assert httpx2.get(f"{read_url}/api/v1/entities").json()["count"] == 0
        assert httpx2.get(f"{write_url}/api/v1/entities").status_code == 405
        assert httpx2.post(f"{read_url}/api/v1/entities", json={}).status_code == 405
        assert service.get("entity-types").json()["count"] == 0
        assert service.get("/admin/").status_code == 303
        for url in (write_url, read_url):  # the admin page needs both sides
            assert httpx2.get(f"{url}/ping/").json()["endpoints"]["admin"] is None
            assert httpx2.get(f"{url}/admin/").status_code == 404
        service.close()
