"""What is in the log is there again after a restart and after a rebuild, the same to the last id."""

from __future__ import annotations

import pytest

from tests.acceptance.service import Json, Service, command, serving
from tests.conftest import Clone

GLOBEX = "e3146cf3-36b8-47b5-bd32-1e23b53745f8"
READS = (
    "entities?page_size=500",
    "entities?type=PERSON&page_size=1",
    f"entities/{GLOBEX}",
    f"entities/{GLOBEX}/history",
    "entities-asof?as_of=2023-01-01&page_size=500",
    "diff?from=2020-01-01&to=2024-01-01&mode=changes",
    "audit?page_size=500",
    "entity-types",
)


def everything(service: Service) -> list[Json]:
    """Return what the reads answer, without the links, which name the port."""
    answers = [service.get(path, user="user_2") for path in READS]
    assert {answer.status_code for answer in answers} == {200}
    return [{**answer.json(), "next": None} for answer in answers]


def test_ids_hashes_and_answers_are_stable_across_restart_and_rebuild(
    clone: Clone, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("restart")
    with clone() as conninfo:
        with serving(folder, conninfo) as service:
            uid = service.entity(details=[{"detail_type": "EMAIL", "detail_value": "a@b"}])["entity_uid"]
            service.write("PATCH", f"entities/{uid}", {"display_name": "Changed"})
            service.write("DELETE", f"entities/{uid}")
            service.write("POST", f"entities/{uid}/reopen", {"display_name": "Back"})
            before = everything(service)
        rebuilt = command(folder, conninfo, "rebuild")
        assert rebuilt.returncode == 0, rebuilt.stderr
        with serving(folder, conninfo) as service:
            assert everything(service) == before
            service.check()
        assert "Clean" in command(folder, conninfo, "verify").stdout


def test_a_key_is_remembered_over_a_restart(clone: Clone, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder, key = tmp_path_factory.mktemp("restart"), {"Idempotency-Key": "once"}
    body = {"display_name": "Once", "entity_type": "PERSON"}
    with clone() as conninfo:
        with serving(folder, conninfo) as service:
            first = service.write("POST", "entities", body, headers=key)
        with serving(folder, conninfo) as service:
            again = service.write("POST", "entities", body, headers=key)
    assert (again.status_code, again.json()) == (201, first.json())
    assert again.headers["idempotent-replayed"] == "true"
