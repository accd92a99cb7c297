"""The contract's audit trail: who changed what, when, and by which request."""

from __future__ import annotations

from typing import Any

import pytest

from tests.acceptance.service import Json, Service, problem

ROW = [
    "audit_id",
    "actor",
    "timestamp",
    "entity_uid",
    "table_name",
    "operation",
    "detail_code",
    "before_value",
    "after_value",
    "request_id",
    "ip_address",
    "user_agent",
    "position",
    "event_id",
    "reason",
]
PERSON = {"display_name": "A", "entity_type": "PERSON"}


@pytest.fixture(scope="module")
def uid(service: Service) -> str:
    """An entity that user_1 made, user_2 changed and user_1 retired, each request with an id and an agent."""
    details = [{"detail_type": "EMAIL", "detail_value": "a@b"}]
    body = {"display_name": "Audited", "entity_type": "PERSON", "details": details}
    agent = {"User-Agent": "audit-test/1"}
    made = service.write("POST", "entities", body, headers={"X-Request-Id": "audit-1", **agent})
    uid = str(made.json()["entity_uid"])
    details = [{"detail_type": "EMAIL", "detail_value": "c@d"}]
    body = {"display_name": "Audited too", "details": details}
    service.write("PATCH", f"entities/{uid}", body, user="user_2", headers={"X-Request-Id": "audit-2", **agent})
    service.write("PATCH", f"entities/{uid}", {"display_name": "Audited too"}, headers={"X-Request-Id": "audit-no-op"})
    service.write("DELETE", f"entities/{uid}", headers={"X-Request-Id": "audit-3", **agent})
    return uid


def audit(service: Service, uid: str, **params: Any) -> list[Json]:
    query = {name.rstrip("_"): value for name, value in params.items()}
    answer = service.get("audit", user="user_1", params={"entity_uid": uid, **query})
    assert answer.status_code == 200, answer.text
    page = answer.json()
    assert page["count"] == len(page["results"])
    return list(page["results"])


def test_the_audit_needs_a_token_even_where_reads_are_public(service: Service) -> None:
    problem(service.get("audit"), 401)


def test_it_is_newest_first_and_holds_only_what_changed(service: Service, uid: str) -> None:
    rows = audit(service, uid)
    assert [list(row) for row in rows] == [ROW] * 6
    assert [row["audit_id"] for row in rows] == sorted((row["audit_id"] for row in rows), reverse=True)
    assert [
        (r["operation"], r["table_name"], r["detail_code"], r["before_value"], r["after_value"]) for r in reversed(rows)
    ] == [
        ("INSERT", "entity", None, None, {"display_name": "Audited", "entity_type": "PERSON"}),
        ("INSERT", "entity_detail", "EMAIL", None, {"detail_value": "a@b"}),
        ("UPDATE", "entity", None, {"display_name": "Audited"}, {"display_name": "Audited too"}),
        ("UPDATE", "entity_detail", "EMAIL", {"detail_value": "a@b"}, {"detail_value": "c@d"}),
        ("DELETE", "entity", None, {"display_name": "Audited too", "entity_type": "PERSON"}, None),
        ("DELETE", "entity_detail", "EMAIL", {"detail_value": "c@d"}, None),
    ]


def test_every_row_has_its_request_id_address_agent_and_position(service: Service, uid: str) -> None:
    rows = audit(service, uid)
    assert [row["request_id"] for row in reversed(rows)] == [f"audit-{n}" for n in (1, 1, 2, 2, 3, 3)]
    assert {row["ip_address"] for row in rows} == {"127.0.0.1"}
    assert {row["user_agent"] for row in rows} == {"audit-test/1"}
    assert all(row["position"] > 0 and row["timestamp"].endswith("Z") for row in rows)


def test_it_can_be_asked_by_actor_operation_and_request(service: Service, uid: str) -> None:
    assert {row["actor"] for row in audit(service, uid, actor="user_2")} == {"user_2"}
    assert len(audit(service, uid, actor="user_2")) == 2
    assert [len(audit(service, uid, operation=each)) for each in ("INSERT", "UPDATE", "DELETE")] == [2, 2, 2]
    assert len(audit(service, uid, request_id="audit-3")) == 2
    assert audit(service, uid, request_id="audit-no-op") == []


def test_it_can_be_asked_from_and_to_recorded_times(service: Service, uid: str) -> None:
    change = audit(service, uid, request_id="audit-2")[0]["timestamp"]
    assert len(audit(service, uid, from_=change)) == 4
    assert len(audit(service, uid, to=change)) == 2


def test_sample_data_is_there_with_its_actor(service: Service) -> None:
    rows = audit(service, "4f8c10a3-029a-4cec-b324-2faaac7f8c45")
    assert {row["actor"] for row in rows} == {"fixtures"}
    assert len(rows) == 3


def test_what_changes_no_row_is_told_with_who_and_why(service: Service) -> None:
    """A correction hidden by a later one is cancelled, and what holds is said again of a stretch of time."""
    uid = service.write("POST", "entities", {**PERSON, "effective_at": "2024-01-01"}).json()["entity_uid"]
    span = {"effective_at": "2024-03-01", "effective_until": "2024-04-01"}
    hidden = service.write("PATCH", f"entities/{uid}", {"display_name": "X", **span}).headers["event-id"]
    service.write("PATCH", f"entities/{uid}", {"display_name": "Y", **span})
    body = {"event_id": hidden, "reason": "was wrong"}
    cancelled = service.write("POST", f"entities/{uid}/cancel", body, user="user_2")
    assert cancelled.status_code == 200, cancelled.text
    again = {"display_name": "A", "effective_at": "2024-02-01", "effective_until": "2024-02-15", "reason": "confirmed"}
    said_again = service.write("PATCH", f"entities/{uid}", again)
    assert said_again.status_code == 200, said_again.text
    rows = audit(service, uid)
    assert len(rows) == 5
    for row, answer, actor, reason in (
        (rows[0], said_again, "user_1", "confirmed"),
        (rows[1], cancelled, "user_2", "was wrong"),
    ):
        assert (row["event_id"], row["actor"], row["reason"]) == (answer.headers["event-id"], actor, reason)
        assert (row["table_name"], row["operation"], row["detail_code"]) == ("entity", "UPDATE", None)
        assert row["before_value"] is row["after_value"] is None
        assert row["audit_id"] == row["position"] << 16
