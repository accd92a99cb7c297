"""The event feed as it comes: every event once and in order, for as long as the token is good and the service runs."""

from __future__ import annotations

import itertools
import signal
from pathlib import Path

import httpx2
import psycopg
import pytest

from tests.acceptance.processes import load_sample_data, running
from tests.acceptance.service import API, Service, Start, problem
from tests.acceptance.streams import PATIENCE, blocks, events, stream
from tests.conftest import Clone

PAGE = "https://page.example"


@pytest.fixture(scope="module")
def beating(start: Start) -> Service:
    """A service whose heart beats fast, and whom pages of another origin may call."""
    return start(COCKPIT_HEARTBEAT_SECONDS="0.2", COCKPIT_CORS_ORIGINS=PAGE)


def test_what_is_written_comes_in_order_as_the_pages_have_it(service: Service) -> None:
    with stream(service) as coming:
        before = service.head()
        uid = service.entity()["entity_uid"]
        first = events(coming, 1)
        service.write("PATCH", f"entities/{uid}", {"display_name": "Other"})
        service.write("DELETE", f"entities/{uid}")
        found = first + events(coming, 2)
    assert [event["position"] for event in found] == [before + 1, before + 2, before + 3]
    assert found == service.get(f"events?after={before}", user="user_1").json()["events"]


def test_after_0_everything_comes_and_limit_ends_it(service: Service) -> None:
    head = service.head()
    with stream(service, after=0, limit=head) as coming:
        found = [block.id for block in coming if block.id is not None]
    assert found == list(range(1, head + 1))


def test_who_comes_back_goes_on_after_the_last_id_whatever_the_url_says(service: Service) -> None:
    with stream(service, after=0) as coming:
        last = events(coming, 5)[-1]["position"]
    for after in (None, 0):
        with stream(service, headers={"Last-Event-ID": str(last)}, limit=3, after=after) as coming:
            assert [event["position"] for event in events(coming, 3)] == [last + 1, last + 2, last + 3]


@pytest.mark.parametrize("given", ["x", "-1", "1.5", "9" * 19, "1 2"])
def test_a_last_event_id_that_is_no_position_is_refused_by_name(service: Service, given: str) -> None:
    answer = service.get("events/stream", user="user_1", headers={"Last-Event-ID": given})
    problem(answer, 400, code="not_whole", field="Last-Event-ID")


@pytest.mark.parametrize(("after", "headers"), [(5_000_000, {}), (0, {"Last-Event-ID": "5000000"})])
def test_to_begin_beyond_the_end_of_the_log_is_refused_by_name(
    service: Service, after: int, headers: dict[str, str]
) -> None:
    """What is recorded up to there would be passed over: the log was restored from an older backup, for example."""
    service.entity()
    head = service.head()
    answer = service.get(f"events/stream?after={after}", user="user_1", headers=headers)
    body = problem(answer, 400, code="beyond_head", field=next(iter(headers), "after"))
    assert f"The log ends at position {head}." in body["detail"]
    with stream(service, after=head, limit=1) as coming:
        service.entity()
        assert [event["position"] for event in events(coming, 1)] == [head + 1]


def test_a_stream_ends_where_the_log_has_become_a_shorter_one(clone: Clone, tmp_path: Path) -> None:
    with clone() as conninfo:
        load_sample_data(conninfo, tmp_path)
        with running("serve", folder=tmp_path, database_url=conninfo, heartbeat_seconds=0.2) as process:
            service = Service(process.url, conninfo, tmp_path)
            with stream(service) as coming, psycopg.connect(conninfo) as connection:
                connection.execute("ALTER TABLE log.event DISABLE TRIGGER event_is_immutable")
                connection.execute("DELETE FROM log.event WHERE position = (SELECT max(position) FROM log.event)")
                connection.commit()
                assert all(block.event is None for block in coming)
            service.close()


def test_a_stream_can_be_of_one_entity_or_of_some_types(service: Service) -> None:
    uid, other = (service.entity()["entity_uid"] for _ in range(2))
    with stream(service, entity_uid=uid) as of_entity, stream(service, type="EntityRetired") as of_type:
        service.write("PATCH", f"entities/{other}", {"display_name": "Other"})
        service.write("PATCH", f"entities/{uid}", {"display_name": "Other"})
        service.write("DELETE", f"entities/{other}")
        service.write("DELETE", f"entities/{uid}")
        assert {event["subject"] for event in events(of_entity, 2)} == {uid}
        assert [event["subject"] for event in events(of_type, 2)] == [other, uid]


def test_a_heart_beats_while_nothing_comes_and_tells_how_far_the_log_was_looked_at(beating: Service) -> None:
    with stream(beating, type="TypeChanged") as coming:
        assert next(coming).comments == ["heartbeat"]
        for _ in range(3):
            beating.entity()
        head = beating.head()
        told = list(itertools.takewhile(lambda block: block.id != head, coming))
        assert {block.event for block in told} <= {None}
        assert {tuple(block.comments) for block in told} <= {("heartbeat",)}


def test_a_stream_ends_when_its_token_is_revoked_and_another_goes_on(beating: Service) -> None:
    login = {"username": "user_1", "password": "1234"}
    token = beating.client.post(f"{API}/auth/token", json=login).json()["token"]
    header = {"Authorization": f"Token {token}"}
    with stream(beating, user="user_2") as other, stream(beating, user=None, headers=header) as coming:
        assert next(coming).comments == ["heartbeat"]
        assert beating.client.delete(f"{API}/auth/token", headers=header).status_code == 204
        assert {tuple(block.comments) for block in coming} <= {("heartbeat",)}
        beating.entity()
        assert events(other, 1)


def test_a_stream_ends_when_its_token_expires(beating: Service) -> None:
    login = {"username": "user_1", "password": "1234"}
    token = beating.client.post(f"{API}/auth/token", json=login).json()["token"]
    with stream(beating, user=None, headers={"Authorization": f"Bearer {token}"}) as coming:
        with psycopg.connect(beating.conninfo, autocommit=True) as connection:
            connection.execute(
                "UPDATE auth.token SET expires_at = now() WHERE token_hash = sha256(convert_to(%s, 'UTF8'))", [token]
            )
        assert all(block.comments == ["heartbeat"] for block in coming)


def test_who_reads_late_finds_everything(service: Service) -> None:
    """The server holds one page for a slow client: what the sockets do not take waits in the log."""
    value = "x" * 10_000
    details = [{"detail_type": kind, "detail_value": value} for kind in ("EMAIL", "PHONE", "ADDRESS", "WEBSITE")]
    with stream(service) as coming:
        before = service.head()
        for _ in range(300):
            service.entity(details=details)
        found = [event["position"] for event in events(coming, 300)]
    assert found == list(range(before + 1, before + 301))


def test_streams_end_at_once_and_whole_when_the_service_stops(clone: Clone, tmp_path: Path) -> None:
    with clone() as conninfo:
        load_sample_data(conninfo, tmp_path)
        with running("serve", folder=tmp_path, database_url=conninfo) as process:
            service = Service(process.url, conninfo, tmp_path)
            head = service.head()
            with stream(service) as idle, stream(service, after=0) as busy:
                events(busy, head)
                assert process.stop(signal.SIGTERM) == 0
                assert list(idle) == list(busy) == [], "a stream that is cut off when grace ends raises here"
            service.close()


def test_a_page_of_a_browser_may_follow(beating: Service) -> None:
    headers = {"Authorization": f"Token {beating.token()}", "Origin": PAGE, "Last-Event-ID": "1"}
    url = f"{beating.url}{API}/events/stream"
    asked = {"Origin": headers["Origin"], "Access-Control-Request-Method": "GET"}
    wanted = {"Access-Control-Request-Headers": "authorization, last-event-id"}
    assert beating.client.options(url, headers=asked | wanted).status_code == 200
    with httpx2.stream("GET", url, params={"limit": 1}, headers=headers, timeout=PATIENCE) as answer:
        assert answer.headers["access-control-allow-origin"] in {"*", PAGE}
        assert "Position" in answer.headers["access-control-expose-headers"]
        assert [block.id for block in blocks(answer.iter_lines())] == [1, 2]
