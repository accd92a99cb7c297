"""Parked events over HTTP: reads say that something is missing, writes are refused, administrators see and mend it."""

from __future__ import annotations

from uuid import UUID, uuid4

import httpx2
import psycopg
import pytest

from shared.core.events import entity_stream
from tests.acceptance.administering import Admin
from tests.acceptance.service import Json, Service, Start, problem
from tests.appending import Append, Stored, append

PERSON = {"display_name": "Jane", "entity_type": "PERSON"}
REASON = {"reason": "nobody needs it"}


@pytest.fixture(scope="module")
def service(start: Start) -> Service:
    """A service of the module's own: elsewhere nothing is parked."""
    return start(COCKPIT_CORS_ORIGINS="https://pages.example")


class Ghost:
    """An entity with an event that this release cannot fold: by its first event, or after a registration."""

    def __init__(self, service: Service, *, known: bool = True, times: int = 1) -> None:
        self.service = service
        self.uid = str(uuid4())
        if known:
            made = service.write("POST", "entities", {**PERSON, "entity_uid": self.uid})
            assert made.status_code == 201, made.text
            self.registered = int(made.headers["Position"])
        with psycopg.connect(service.conninfo) as connection:
            stream = entity_stream(UUID(self.uid))
            verdicts = append(connection, *(Append(stream=stream, events=[Stored()]) for _ in range(times)))
        self.positions = [verdict.position for verdict in verdicts]
        self.position = self.positions[0]
        self.warning = f'199 - "events of this entity are parked since position {self.position}"'
        self.wait()

    def wait(self) -> None:
        assert self.service.get("entities", params={"min_position": self.service.head()}).status_code == 200

    def skip(self, position: int | None = None, body: object = REASON, user: str = "user_2") -> httpx2.Response:
        path = f"parked/{position or self.position}/skip"
        return self.service.write("POST", path, body, user=user)


@pytest.fixture
def ghost(service: Service) -> Ghost:
    return Ghost(service)


def listed(service: Service) -> dict[int, Json]:
    answer = service.get("parked", user="user_2", params={"page_size": 500})
    assert answer.status_code == 200, answer.text
    return {found["position"]: found for found in answer.json()["results"]}


def test_every_read_of_the_entity_says_since_when_something_is_missing(ghost: Ghost, service: Service) -> None:
    head, of_it = f"{service.head()}", {"entity_uid": ghost.uid}
    asked: list[tuple[str, dict[str, str]]] = [
        (f"entities/{ghost.uid}", {}),
        (f"entities/{ghost.uid}", {"as_of": "2999-01-01"}),
        (f"entities/{ghost.uid}", {"position": head}),
        (f"entities/{ghost.uid}/history", {}),
        (f"entities/{ghost.uid}/history", {"cursor": "*"}),
        ("scheduled", of_it),
        ("audit", of_it),
        ("diff", {**of_it, "from": "2024-01-01", "to": "2999-01-01"}),
    ]
    for path, params in asked:
        answer = service.get(path, params=params, user="user_1")
        assert (answer.status_code, answer.headers.get("Warning")) == (200, ghost.warning), (path, params)
        again = service.get(path, params=params, user="user_1", headers={"If-None-Match": answer.headers["ETag"]})
        assert again.headers.get("Warning") == ghost.warning
        before = {**params, "position": str(ghost.registered)}
        answer = service.get(path, params=before, user="user_1")
        assert (answer.status_code, "Warning" in answer.headers) == (200, False), (path, before)
    other = service.entity()
    service.get("entities", params={"min_position": service.head()})
    assert "Warning" not in service.get(f"entities/{other['entity_uid']}").headers


def test_what_is_not_found_may_be_what_is_parked(service: Service) -> None:
    ghost = Ghost(service, known=False)
    for path in (f"entities/{ghost.uid}", f"entities/{ghost.uid}?as_of=2024-01-01", f"entities/{ghost.uid}/history"):
        answer = service.get(path)
        problem(answer, 404)
        assert answer.headers["Warning"] == ghost.warning
        assert "Warning" not in service.get(path.replace(ghost.uid, str(uuid4()))).headers
    early = service.get(f"entities/{ghost.uid}", params={"as_of": "1990-01-01"})
    assert early.headers["Warning"] == ghost.warning
    retired = Ghost(service, known=True)
    answer = service.get(f"entities/{retired.uid}", params={"as_of": "1990-01-01"})
    problem(answer, 404, code="not_yet")
    assert answer.headers["Warning"] == retired.warning


@pytest.mark.parametrize(
    "path",
    [
        "entities",
        "entities?type=PERSON",
        "entities?q=jane",
        "entities?order=entity_uid&cursor=*",
        "entities-asof?as_of=2999-01-01",
        "entities-asof?as_of=2999-01-01&order=display_name",
        "diff?from=2024-01-01&to=2999-01-01",
        "scheduled",
        "audit",
        "external-keys",
        "entities?format=csv",
        "audit?format=csv",
        "entity-types",
        "detail-types",
    ],
)
def test_a_list_says_how_many_streams_something_is_missing_of(service: Service, ghost: Ghost, path: str) -> None:
    parked = listed(service)
    streams = f"{len(parked)} stream{'s' if len(parked) > 1 else ''}"
    told = service.get(path, user="user_1")
    assert told.headers["Warning"] == f'199 - "events of {streams} are parked since position {min(parked)}"'
    if "types" not in path and "?" not in path:
        assert "Warning" not in service.get(path, params={"position": "1"}, user="user_1").headers


def test_pages_of_other_origins_can_read_the_warning(service: Service, ghost: Ghost) -> None:
    answer = service.get(f"entities/{ghost.uid}", headers={"Origin": "https://pages.example"})
    assert "Warning" in answer.headers["access-control-expose-headers"]


def test_the_admin_pages_say_so_too(service: Service, ghost: Ghost) -> None:
    unknown = Ghost(service, known=False)
    with Admin(service) as browser:
        browser.sign_in()
        for one in (ghost, unknown):
            page = browser.get(f"/admin/entities/{one.uid}")
            assert f"events of this entity are parked since position {one.position}." in page.text
        assert f"events of {len(listed(service))} streams are parked" in browser.get("/admin/entities").text


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PATCH", "entities/{uid}", {"display_name": "Jane"}),
        ("PATCH", "entities/{uid}", {}),
        ("PUT", "entities/{uid}", PERSON),
        ("DELETE", "entities/{uid}", None),
        ("POST", "entities/{uid}/reopen", None),
        ("POST", "entities/{uid}/cancel", {"event_id": str(uuid4())}),
        ("POST", "entities", {**PERSON, "entity_uid": "{uid}"}),
    ],
)
def test_a_write_is_refused_and_names_the_event(
    service: Service, ghost: Ghost, method: str, path: str, body: dict[str, str] | None
) -> None:
    if body and "entity_uid" in body:
        body = {**body, "entity_uid": ghost.uid}
    head = service.head()
    for headers in ({}, {"Idempotency-Key": "once"}, {"Idempotency-Key": "once"}, {"If-Match": "*"}):
        if "If-Match" in headers and path == "entities":
            continue
        answer = service.write(method, path.format(uid=ghost.uid), body, headers=headers)
        told = problem(answer, 409, code="cannot_fold")
        assert told["parked_position"] == ghost.position
        assert "parked" in told["detail"]
    assert service.head() == head


def test_administrators_see_what_is_parked_and_why(service: Service) -> None:
    ghost = Ghost(service, times=3)
    first, second, third = ghost.positions
    found = listed(service)[first]
    assert (found["entity_uid"], found["stream"]) == (ghost.uid, f"entity:{ghost.uid}")
    assert (found["type"], found["schema_version"], found["behind"]) == ("EntityVanished", 1, 2)
    assert "not known here" in found["reason"]
    shown = service.get(f"parked/{first}", user="user_2").json()
    assert {name: shown[name] for name in found} == found
    assert shown["payload"] == {"context": {}, "data": {"how": "in smoke"}}
    assert (shown["first"], shown["behind_positions"], shown["version"]) == (first, [second, third], 2)
    assert shown["metadata"]["actor"] == "user_1"
    behind = service.get(f"parked/{second}", user="user_2").json()
    assert (behind["first"], behind["behind"], behind["behind_positions"]) == (first, 1, [third])
    page = service.get("parked", user="user_2", params={"cursor": "*", "page_size": 1}).json()
    assert page["count"] == len(listed(service))
    seen = [item["position"] for item in page["results"]]
    while page["next"]:
        page = service.get(page["next"], user="user_2").json()
        seen += [item["position"] for item in page["results"]]
    assert seen == sorted(listed(service))
    back = service.get(page["previous"], user="user_2").json()
    assert [item["position"] for item in back["results"]] == seen[-2:-1]


def test_a_skip_lets_the_entity_go_on_and_is_audited(service: Service, ghost: Ghost) -> None:
    done = ghost.skip()
    assert done.status_code == 200, done.text
    told = done.json()
    assert (told["position"], told["entity_uid"], told["reason"]) == (ghost.position, ghost.uid, REASON["reason"])
    assert told["skipped_by"] == done.headers["Event-Id"]
    again = ghost.skip(body={"reason": "another"})
    assert (again.status_code, again.json()) == (200, told)
    for name in ("Event-Id", "Position"):
        assert again.headers[name] == done.headers[name]
    assert again.headers["Idempotent-Replayed"] == "true"
    ghost.wait()
    read = service.get(f"entities/{ghost.uid}")
    assert (read.status_code, "Warning" in read.headers) == (200, False)
    assert ghost.position not in listed(service)
    problem(service.get(f"parked/{ghost.position}", user="user_2"), 404)
    entries = service.get("audit", params={"entity_uid": ghost.uid}, user="user_1").json()["results"]
    assert [entry["position"] for entry in entries] == [int(done.headers["Position"]), ghost.position, ghost.registered]
    assert (entries[0]["actor"], entries[0]["reason"]) == ("user_2", REASON["reason"])
    assert entries[0]["event_id"] == done.headers["Event-Id"]
    changed = service.write("PATCH", f"entities/{ghost.uid}", {"display_name": "Joan"})
    assert (changed.status_code, changed.json()["display_name"]) == (200, "Joan")


def test_a_retry_is_asked_for_and_changes_nothing_where_it_cannot(service: Service, ghost: Ghost) -> None:
    asked = service.write("POST", f"parked/{ghost.position}/retry", user="user_2")
    assert (asked.status_code, asked.json()["position"]) == (202, ghost.position)
    assert service.get(asked.json()["href"], user="user_2").json()["position"] == ghost.position
    assert service.write("POST", f"parked/{ghost.registered}/retry", user="user_2").status_code == 202


def test_nasty_skips_are_refused_by_name(service: Service) -> None:
    ghost = Ghost(service, times=2)
    first, second = ghost.positions
    for position in ("0", "-1", "1.5", "x", "9" * 30, str(2**63), "99999999", "%00", "\u0661"):
        for order in ("skip", "retry"):
            body = REASON if order == "skip" else None
            problem(service.write("POST", f"parked/{position}/{order}", body, user="user_2"), 404)
        problem(service.get(f"parked/{position}", user="user_2"), 404)
    for reason in (None, "", "  ", "x" * 1001, 7, "a\0b", ["x"]):
        problem(ghost.skip(body={"reason": reason}), 400, field="reason")
    problem(ghost.skip(body={}), 400, field="reason", code="required")
    problem(ghost.skip(body={**REASON, "more": 1}), 400, field="more")
    problem(service.write("POST", f"parked/{first}/retry", {"more": 1}, user="user_2"), 400, field="more")
    problem(ghost.skip(second), 409, code="behind_parked")
    problem(ghost.skip(ghost.registered), 409, code="can_be_folded")
    problem(ghost.skip(1), 409, code="not_skippable")
    for name in ("known_at", "position"):
        problem(service.get("parked", params={name: "1"}, user="user_2"), 400)
    problem(service.get("parked", params={"position": 1}, user="user_2"), 400, field="position")
    keyed = {"Idempotency-Key": f"key-{first}"}
    path = f"parked/{first}/skip"
    assert service.write("POST", path, REASON, user="user_2", headers=keyed).status_code == 200
    assert service.write("POST", path, REASON, user="user_2", headers=keyed).status_code == 200
    problem(service.write("POST", path, {"reason": "another"}, user="user_2", headers=keyed), 422)
    problem(service.write("POST", path, REASON, user="user_2", headers={"If-Match": "*"}), 400, field="If-Match")


def test_only_administrators_see_retry_and_skip(service: Service, ghost: Ghost) -> None:
    for method, path, body in (
        ("GET", "parked", None),
        ("GET", f"parked/{ghost.position}", None),
        ("POST", f"parked/{ghost.position}/skip", REASON),
        ("POST", f"parked/{ghost.position}/retry", None),
    ):
        problem(service.write(method, path, body, user="user_1"), 403)
        problem(service.write(method, path, body, user=None), 401)
    assert ghost.position in listed(service)


def test_ping_counts_what_is_parked(service: Service, ghost: Ghost) -> None:
    ((events,),) = service.sql("SELECT count(*) FROM read_model.parked_event")
    assert service.get("/ping/").json()["parked"] == events > 0
