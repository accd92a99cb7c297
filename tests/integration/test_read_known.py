"""What was known when: an instant stands for a position, exactly and for ever, or the answer is to come again."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from fastapi.testclient import TestClient

from shared.core.events import entity_stream
from tests.appending import Append, append
from tests.conftest import Clone
from tests.integration.reading import day, projected, reading, registered, revised, uid

ENTITIES = "/api/v1/entities"


@pytest.fixture
def conninfo(clone: Clone) -> Iterator[str]:
    """Three events are in the log, and the read model has them."""
    with clone() as conninfo:
        for event in (registered("A"), revised("B"), revised("C")):
            with psycopg.connect(conninfo) as connection:
                append(connection, Append(stream=entity_stream(uid(1)), events=[event]))
        reach(conninfo, 3)
        yield conninfo


def fetch(conninfo: str, sql: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(conninfo) as connection:
        return connection.execute(sql.encode()).fetchall()


def recorded(conninfo: str) -> list[Any]:
    return [row[0] for row in fetch(conninfo, "SELECT recorded_at FROM log.event ORDER BY position")]


def reach(conninfo: str, position: int) -> None:
    with psycopg.connect(conninfo) as connection:
        connection.execute(
            "UPDATE read_model.checkpoint SET position = %(at)s, recorded_at ="
            " (SELECT recorded_at FROM log.event WHERE position = %(at)s)",
            {"at": position},
        )


def settle(conninfo: str) -> None:
    with psycopg.connect(conninfo) as connection:
        connection.execute("UPDATE read_model.checkpoint SET settled_at = clock_timestamp()")


def position(client: TestClient, **asked: Any) -> str:
    answer = client.get(ENTITIES, params=asked)
    assert answer.status_code == 200, answer.text
    return answer.headers["position"]


def test_an_instant_stands_for_the_last_position_recorded_by_then(conninfo: str) -> None:
    first, second, third = recorded(conninfo)
    with reading(conninfo) as client:
        assert position(client, known_at="2020-01-01") == "0"
        assert position(client, known_at=first.isoformat()) == "1"
        assert position(client, known_at=second.isoformat()) == "2"
        assert position(client, known_at=third.isoformat()) == "3"
        assert position(client, position=0) == "0"
        assert position(client, position=2) == "2"


def test_what_nobody_can_know_yet_is_refused(conninfo: str) -> None:
    with reading(conninfo) as client:
        answer = client.get(f"{ENTITIES}?known_at=2999-01-01")
        assert answer.status_code == 400
        assert [(e["field"], e["code"]) for e in answer.json()["errors"]] == [("known_at", "future")]
        both = client.get(f"{ENTITIES}?known_at=2020-01-01&position=1")
        assert [e["field"] for e in both.json()["errors"]] == ["known_at"]


def test_an_instant_after_the_last_event_is_answered_once_it_is_settled(conninfo: str) -> None:
    (now,) = fetch(conninfo, "SELECT clock_timestamp()")[0]
    with reading(conninfo, wait_seconds=0.1) as client:
        answer = client.get(ENTITIES, params={"known_at": now.isoformat()})
        assert (answer.status_code, answer.headers.get("retry-after")) == (503, "1")
        settle(conninfo)
        assert position(client, known_at=now.isoformat()) == "3"


def test_who_asks_wakes_what_settles_it(conninfo: str) -> None:
    (now,) = fetch(conninfo, "SELECT clock_timestamp()")[0]
    with (
        psycopg.connect(conninfo, autocommit=True) as projector,
        reading(conninfo, wait_seconds=10) as client,
    ):
        projector.execute("LISTEN cockpit_settle")
        assert client.portal is not None
        asking = client.portal.start_task_soon(asyncio.to_thread, lambda: position(client, known_at=now.isoformat()))
        assert [said.channel for said in projector.notifies(timeout=10, stop_after=1)] == ["cockpit_settle"]
        settle(conninfo)
        assert asking.result(20) == "3"


def test_of_what_was_not_known_then_it_is_said_that_it_was_recorded_later(clone: Clone) -> None:
    with clone() as conninfo, projected(conninfo) as book, reading(conninfo) as client:
        for number, name in ((1, "A"), (2, "B")):
            book.happen(number, day(1), registered(name))
        for number, at, told in (
            (2, 1, "This entity was not known then: it was recorded later."),
            (9, 1, "No such entity."),
            (9, 2, "No such entity."),
        ):
            answer = client.get(f"{ENTITIES}/{uid(number)}?position={at}")
            assert (answer.status_code, answer.json()["code"], answer.json()["detail"]) == (404, "not_found", told)
        assert client.get(f"{ENTITIES}/{uid(2)}?position=2").json()["display_name"] == "B"


def test_who_waits_for_what_the_log_does_not_have_is_told_where_it_ends(conninfo: str) -> None:
    with reading(conninfo, wait_seconds=1) as client:
        for asked in ("position=4", "min_position=999999"):
            answer = client.get(f"{ENTITIES}?{asked}")
            assert (answer.status_code, answer.headers.get("retry-after")) == (503, "1")
            assert answer.json()["detail"].endswith(" yet. The log ends at position 3.")


def test_a_position_is_waited_for_until_it_is_there(conninfo: str) -> None:
    with psycopg.connect(conninfo) as connection:
        append(connection, Append(stream=entity_stream(uid(1)), events=[revised("D")]))
    with reading(conninfo, wait_seconds=0.1) as client:
        answer = client.get(f"{ENTITIES}?position=4")
        assert (answer.status_code, answer.headers.get("retry-after")) == (503, "1")
        assert answer.json()["detail"].endswith("it has not reached 4 yet.")
        for path in (f"{ENTITIES}?position={2**63 - 1}", f"{ENTITIES}?q=a&order=display_name&position={2**63 - 1}"):
            assert client.get(path).status_code == 503  # however far it is
        reach(conninfo, 4)
        assert position(client, position=4) == "4"
