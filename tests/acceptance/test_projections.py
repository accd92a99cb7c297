"""The projections over HTTP: how far they are, and making them anew while the service goes on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

import psycopg
import pytest

from projector.runs import LOCK
from tests.acceptance.processes import until
from tests.acceptance.service import Json, Service, Start, problem

NOBODY = "018f0000-0000-7000-8000-ffffffffffff"
REBUILD = "projections/read_model/rebuild"


@pytest.fixture(scope="module")
def own(start: Start) -> Service:
    """A service of these tests' own: they change its rows behind its back."""
    return start(COCKPIT_POLL_SECONDS="0.2")


def projection(service: Service) -> Json:
    answer = service.get("projections", user="user_1")
    assert answer.status_code == 200, answer.text
    page = answer.json()
    assert (page["count"], page["next"], page["previous"]) == (1, None, None)
    return dict(page["results"][0])


def finished(service: Service, run_id: int) -> Json:
    """Wait for the end of a run, and return it."""

    def is_finished() -> bool:
        run = projection(service)["rebuild"]
        return bool(run["id"] == run_id and run["finished_at"])

    until(is_finished, 60, lambda: str(projection(service)))
    return dict(projection(service)["rebuild"])


def asked(service: Service, **body: object) -> Json:
    answer = service.write("POST", REBUILD, body or None, user="user_2")
    assert answer.status_code == 202, answer.text
    assert answer.headers["location"] == "/api/v1/projections"
    return dict(answer.json())


@contextmanager
def held_up(service: Service) -> Iterator[None]:
    """Keep every run from being begun for the length of the block."""
    with psycopg.connect(service.conninfo, autocommit=True) as connection:
        connection.execute("SELECT pg_advisory_lock(%s, %s)", LOCK)
        yield


def test_it_tells_how_far_the_read_model_is(own: Service) -> None:
    own.entity()
    until(lambda: projection(own)["lag"] == 0, 10)
    found = projection(own)
    assert (found["name"], found["position"], found["parked"]) == ("read_model", own.head(), 0)
    assert found["recorded_at"] <= found["clock_at"]
    problem(own.get("projections"), 401, code="not_authenticated")
    assert own.get("projections?page=2", user="user_1").status_code == 400


def test_a_rebuild_tells_what_it_found_and_keeps_the_tables_before(own: Service) -> None:
    uid = own.entity(name := f"Right {uuid4()}")["entity_uid"]
    until(lambda: projection(own)["lag"] == 0, 10)
    with psycopg.connect(own.conninfo) as connection:
        connection.execute("UPDATE read_model.entity_version SET display_name = 'Wrong' WHERE entity_uid = %s", [uid])
    checked = finished(own, asked(own, check=True)["id"])
    assert (checked["phase"], checked["kind"], checked["result"]["switched"]) == ("done", "check", False)
    assert own.get(f"entities/{uid}").json()["display_name"] == "Wrong"
    generation = projection(own)["generation"]
    rebuilt = finished(own, asked(own)["id"])
    assert (rebuilt["phase"], rebuilt["requested_by"], rebuilt["error"]) == ("done", "user_2", None)
    (difference,) = rebuilt["result"]["differences"]
    assert [difference[name] for name in ("table", "rows", "column", "live", "anew")] == [
        *("entity_version", 1, "display_name", "Wrong", name)
    ]
    assert own.get(f"entities/{uid}").json()["display_name"] == name
    found = projection(own)
    assert found["generation"] > generation
    assert found["previous"]["position"] <= found["position"]
    own.entity()  # the projector goes on with the new tables
    until(lambda: projection(own)["position"] == own.head(), 10)
    own.check()


def test_one_entity_alone_is_made_anew(own: Service) -> None:
    uid = own.entity(name := f"Right {uuid4()}")["entity_uid"]
    until(lambda: projection(own)["lag"] == 0, 10)
    with psycopg.connect(own.conninfo) as connection:
        connection.execute("UPDATE read_model.entity_version SET display_name = 'Wrong' WHERE entity_uid = %s", [uid])
    run = finished(own, asked(own, entity_uid=uid)["id"])
    assert (run["kind"], run["entity_uid"], run["phase"]) == ("entity", uid, "done")
    assert (run["result"]["events"], run["result"]["rows"], run["result"]["parked"]) == (1, 1, [])
    assert own.get(f"entities/{uid}").json()["display_name"] == name
    own.check()


def test_one_is_under_way_at_a_time_and_it_is_begun_once_nothing_keeps_it(own: Service) -> None:
    with held_up(own):
        run = asked(own, check=True)
        assert (run["phase"], run["rate"], run["result"]) == ("requested", None, None)
        problem(own.write("POST", REBUILD, user="user_2"), 409, code="under_way")
        assert projection(own)["rebuild"]["finished_at"] is None
    assert finished(own, run["id"])["phase"] == "done"


@pytest.mark.parametrize(
    ("path", "body", "user", "status", "field"),
    [
        ("projections/other/rebuild", {}, "user_2", 404, None),
        (REBUILD, {}, "user_1", 403, None),
        (REBUILD, {}, None, 401, None),
        (REBUILD, {"all": True}, "user_2", 400, "all"),
        (REBUILD, {"check": "yes"}, "user_2", 400, "check"),
        (REBUILD, {"entity_uid": "nobody"}, "user_2", 400, "entity_uid"),
        (REBUILD, {"entity_uid": NOBODY}, "user_2", 400, "entity_uid"),
        (REBUILD, {"entity_uid": NOBODY, "check": True}, "user_2", 400, "check"),
    ],
)
def test_what_cannot_be_rebuilt_is_refused(
    own: Service, path: str, body: Json, user: str | None, status: int, field: str | None
) -> None:
    problem(own.write("POST", path, body, user=user), status, field=field)


def test_a_run_whose_process_ends_is_begun_again_and_given_up_in_the_end(own: Service) -> None:
    with psycopg.connect(own.conninfo, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO projection.rebuild (kind, by_request, requested_by, attempts, phase)"
            " VALUES ('check', true, 'left', 2, 'index')"
        )
        until(lambda: projection(own)["rebuild"]["finished_at"], 60)
        assert (projection(own)["rebuild"]["phase"], projection(own)["rebuild"]["attempts"]) == ("done", 3)
        for by_request, attempts in ((True, 3), (False, 1)):
            connection.execute(
                "INSERT INTO projection.rebuild (kind, by_request, requested_by, attempts, phase)"
                " VALUES ('check', %s, 'left', %s, 'index')",
                [by_request, attempts],
            )
            until(lambda: projection(own)["rebuild"]["finished_at"], 10)
            run = projection(own)["rebuild"]
            assert (run["phase"], run["requested_by"]) == ("failed", "left")
            assert run["error"] == f"the process that did it has ended, at attempt {attempts} in phase index"
