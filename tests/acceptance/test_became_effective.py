"""Notices in the stream: a scheduled change is told when its instant has come, at least once, and nothing else is."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.acceptance.service import Service, Start
from tests.acceptance.streams import Block, events, notice, stream

AHEAD = timedelta(seconds=1.5)


@pytest.fixture(scope="module")
def service(start: Start) -> Service:
    """A service of the module's own: what is scheduled by other tests would be told here, too."""
    return start(COCKPIT_HEARTBEAT_SECONDS="0.5", COCKPIT_REPLAY_SECONDS="0")


def soon(by: timedelta = AHEAD) -> str:
    return (datetime.now(UTC) + by).isoformat()  # noqa: TID251  # the service is asked by the same clock


def schedule(service: Service, uid: str, at: str, **body: Any) -> dict[str, str]:
    answer = service.write("PATCH", f"entities/{uid}", {"effective_at": at, **body})
    assert answer.status_code == 200, answer.text
    return dict(answer.headers)


def data(block: Block) -> dict[str, Any]:
    assert block.data is not None
    return dict(block.data["data"])


def test_a_scheduled_change_is_told_when_it_holds(service: Service) -> None:
    uid = service.entity("Before")["entity_uid"]
    at = soon()
    with stream(service) as coming:
        answer = schedule(service, uid, at, display_name="After", reason="planned")
        assert service.get(f"entities/{uid}").json()["display_name"] == "Before"
        found = notice(coming)
        assert service.get(f"entities/{uid}").json()["display_name"] == "After"
        rows = service.sql("SELECT display_name FROM read_model.entity_version WHERE is_current")
        assert ("After",) in rows
    assert found.id is None
    assert found.data is not None
    assert found.data == {
        "specversion": "1.0",
        "id": f"{answer['event-id']}/display_name/{found.data['time']}",
        "source": "/api/v1/events",
        "type": "cockpit.became_effective",
        "subject": uid,
        "time": found.data["time"],
        "datacontenttype": "application/json",
        "data": {
            "field": "display_name",
            "before": "Before",
            "after": "After",
            "event_id": answer["event-id"],
            "actor": "user_1",
            "reason": "planned",
        },
    }
    assert datetime.fromisoformat(found.data["time"]) == datetime.fromisoformat(at)


def test_the_end_of_what_is_bounded_is_told_too_and_only_of_the_entity_that_was_asked_for(service: Service) -> None:
    uid, other = (service.entity("Base")["entity_uid"] for _ in range(2))
    with stream(service, entity_uid=uid) as coming:
        schedule(service, other, soon(), display_name="Not this")
        schedule(service, uid, soon(), display_name="Bounded", effective_until=soon(2 * AHEAD))
        assert [data(notice(coming))["after"] for _ in range(2)] == ["Bounded", "Base"]


def test_a_retirement_that_was_scheduled_is_told_of_each_field(service: Service) -> None:
    uid = service.entity("Going", details=[{"detail_type": "EMAIL", "detail_value": "a@b"}])["entity_uid"]
    with stream(service, entity_uid=uid) as coming:
        assert service.write("DELETE", f"entities/{uid}", params={"effective_at": soon()}).status_code == 204
        found = [data(notice(coming)) for _ in range(4)]
    assert [(change["field"], change["after"]) for change in found] == [
        ("exists", False),
        ("display_name", None),
        ("entity_type", None),
        ("details.EMAIL", None),
    ]


def test_neither_a_change_of_now_nor_a_cancelled_one_is_told(service: Service) -> None:
    uid, last = (service.entity("A")["entity_uid"] for _ in range(2))
    with stream(service, type="became_effective") as coming:
        service.write("PATCH", f"entities/{uid}", {"display_name": "At once"})
        service.write("PATCH", f"entities/{uid}", {"display_name": "Before", "effective_at": "2024-01-01"})
        wrong = schedule(service, uid, soon(), display_name="Never")["event-id"]
        assert service.write("POST", f"entities/{uid}/cancel", {"event_id": wrong}).status_code == 200
        schedule(service, last, soon(1.2 * AHEAD), display_name="Last")
        told = next(block for block in coming if block.event is not None)
    assert (told.event, data(told)["after"]) == ("cockpit.became_effective", "Last")


def test_with_types_notices_come_only_if_they_are_among_them(service: Service) -> None:
    uid = service.entity("A")["entity_uid"]
    with stream(service, type="EntityRevised") as without, stream(service, type="became_effective") as alone:
        schedule(service, uid, soon(), display_name="B")
        assert data(notice(alone))["after"] == "B"
        service.write("PATCH", f"entities/{uid}", {"display_name": "C"})
        told = itertools.islice((block.event for block in without if block.event), 2)
        assert list(told) == ["cockpit.EntityRevised"] * 2


def test_who_comes_back_is_told_what_came_true_since_and_who_begins_is_not(service: Service) -> None:
    uid = service.entity("A")["entity_uid"]
    with stream(service, entity_uid=uid) as coming:
        schedule(service, uid, soon(), display_name="B")
        last = events(coming, 1)[-1]["position"]
    with stream(service, entity_uid=uid) as coming:
        first = notice(coming)
    for _ in range(2):
        with stream(service, entity_uid=uid, headers={"Last-Event-ID": str(last)}) as coming:
            assert notice(coming) == first
    with stream(service, entity_uid=uid) as coming:
        service.write("PATCH", f"entities/{uid}", {"display_name": "C"})
        told = next(block for block in coming if block.event is not None)
        assert told.event == "cockpit.EntityRevised"
    with stream(service, after=0, type="became_effective", entity_uid=uid) as coming:
        assert notice(coming) == first


def test_a_change_that_a_later_one_made_anew_is_still_told_to_who_comes_back(service: Service) -> None:
    uid = service.entity("A", effective_at="2020-01-01")["entity_uid"]
    position = schedule(service, uid, soon(), display_name="B")["position"]
    with stream(service, entity_uid=uid) as coming:
        first = notice(coming)
    corrected = {"entity_type": "INSTITUTION", "effective_at": "2021-01-01"}
    answer = service.write("PATCH", f"entities/{uid}", corrected, headers={"Prefer": "wait=10"})
    assert answer.status_code == 200
    with stream(service, entity_uid=uid, headers={"Last-Event-ID": position}) as coming:
        assert notice(coming) == first
