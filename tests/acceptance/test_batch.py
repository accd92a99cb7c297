"""`POST /commands/batch`: a line in, a verdict out, as it is known; what was executed is not executed again."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterable
from contextlib import closing
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import httpx2
import pytest

from tests.acceptance.service import API, Json, Service, Start, problem

BATCH = "commands/batch"
NDJSON = {"Content-Type": "application/x-ndjson"}


def line(external_id: str, source: str = "crm", **more: Any) -> Json:
    return {"source": source, "external_id": external_id, "display_name": "Ann", "entity_type": "PERSON", **more}


def lines(rows: Iterable[Json]) -> bytes:
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def post(service: Service, body: bytes, query: str = "", **headers: str) -> list[Json]:
    """Send a batch and return its verdicts."""
    answer = service.ask("POST", BATCH + query, "user_1", content=body, headers={**NDJSON, **headers})
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/x-ndjson"
    return [json.loads(told) for told in answer.text.splitlines()]


def verdicts(told: Iterable[Json]) -> list[str]:
    return [one["verdict"] for one in told]


def test_a_line_registers_or_revises_and_its_verdict_says_which(service: Service) -> None:
    source = f"s-{uuid4().hex}"
    rows = [
        line("1", source, details={"EMAIL": "a@b"}, effective_at="2024-01-01", reason="import"),
        line("1", source),
        line("1", source, display_name="Anna", details=[{"detail_type": "EMAIL", "detail_value": None}]),
        {"entity_uid": str(uuid4()), "display_name": "Bo", "entity_type": "PERSON"},
    ]
    told = post(service, lines(rows))
    assert verdicts(told) == ["registered", "unchanged", "revised", "registered"]
    assert [(one["line"], one["status"]) for one in told] == [(1, 201), (2, 200), (3, 200), (4, 201)]
    assert told[1]["event_id"] is None
    first, *_, last = told
    assert last["entity_uid"] == rows[3]["entity_uid"]
    entity = service.get(f"entities/{first['entity_uid']}", params={"min_position": last["position"]}).json()
    assert (entity["display_name"], entity["entity_details"]) == ("Anna", [])
    history = service.get(f"entities/{first['entity_uid']}/history").json()["results"]
    assert (history[0]["reason"], history[0]["actor"]) == ("import", "user_1")
    assert first["event_id"] in {version["event_id"] for version in history}


def test_verdicts_come_while_the_request_is_still_being_sent(service: Service) -> None:
    source = f"s-{uuid4().hex}"
    address = urlsplit(service.url)
    assert address.hostname
    with closing(socket.create_connection((address.hostname, address.port or 80), timeout=30)) as connection:
        answer = connection.makefile("rb")
        head = f"POST {API}/{BATCH} HTTP/1.1\r\nHost: x\r\nAuthorization: Token {service.token()}\r\n"
        connection.sendall(f"{head}Content-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n".encode())

        def send(data: bytes) -> None:
            connection.sendall(f"{len(data):x}\r\n".encode() + data + b"\r\n")

        for number in range(5):
            send(lines([line(str(number), source)]))
            told: Json = {}
            while told.get("line") != number + 1:
                read = answer.readline()
                told = json.loads(read) if read.startswith(b"{") else {}
            assert told["verdict"] == "registered"
        send(b"")
        assert answer.readline().strip() == b""
        assert answer.readline().strip() == b"0"


def test_who_asks_whether_to_go_on_is_told_before_anything_is_sent(service: Service) -> None:
    address = urlsplit(service.url)
    assert address.hostname
    body = lines([line("1", f"s-{uuid4().hex}")])
    with closing(socket.create_connection((address.hostname, address.port or 80), timeout=30)) as connection:
        answer = connection.makefile("rb")
        head = f"POST {API}/{BATCH} HTTP/1.1\r\nHost: x\r\nAuthorization: Token {service.token()}\r\n"
        more = f"Content-Type: application/x-ndjson\r\nContent-Length: {len(body)}\r\nExpect: 100-continue\r\n\r\n"
        connection.sendall((head + more).encode())
        assert (answer.readline(), answer.readline()) == (b"HTTP/1.1 100 Continue\r\n", b"\r\n")
        connection.sendall(body)
        assert answer.readline() == b"HTTP/1.1 200 OK\r\n"
        told = next(read for read in iter(answer.readline, b"") if read.startswith(b"{"))
    assert json.loads(told)["verdict"] == "registered"


def test_who_reads_only_after_all_is_sent_gets_every_verdict(service: Service) -> None:
    many = 40_000
    told = post(service, b"{\n" * many)
    assert [one["line"] for one in told] == list(range(1, many + 1))
    assert set(verdicts(told)) == {"refused"}


def test_with_a_key_the_same_batch_again_appends_nothing_whatever_came_between(service: Service) -> None:
    source, key = f"s-{uuid4().hex}", uuid4().hex
    body = lines([line("1", source), line("1", source), line("1", source, display_name="Bo"), line("1", source)])
    first = post(service, body, **{"Idempotency-Key": key})
    assert verdicts(first) == ["registered", "unchanged", "revised", "revised"]
    service.write("PATCH", f"entities/{first[0]['entity_uid']}", {"display_name": "Cy"})
    head = service.head()
    again = post(service, body, **{"Idempotency-Key": key})
    assert verdicts(again) == ["replayed"] * 4
    shown = ("line", "status", "entity_uid", "event_id", "position")
    assert [[one[name] for name in shown] for one in again] == [[one[name] for name in shown] for one in first]
    assert service.head() == head
    assert (
        verdicts(post(service, body, **{"Idempotency-Key": uuid4().hex})) == ["revised", "unchanged"] + ["revised"] * 2
    )


def test_a_key_is_that_of_its_user(service: Service) -> None:
    source, key = f"s-{uuid4().hex}", uuid4().hex
    body = lines([line("1", source)])
    assert verdicts(post(service, body, **{"Idempotency-Key": key})) == ["registered"]
    answer = service.ask("POST", BATCH, "user_2", content=body, headers={**NDJSON, "Idempotency-Key": key})
    assert verdicts(map(json.loads, answer.text.splitlines())) == ["unchanged"]


def test_after_a_broken_connection_the_batch_is_sent_again_and_each_line_is_there_once(service: Service) -> None:
    source, key = f"s-{uuid4().hex}", uuid4().hex
    rows = [line(str(number), source) for number in range(300)]

    def broken() -> Iterable[bytes]:
        yield lines(rows[:200])
        raise ConnectionAbortedError

    with pytest.raises(ConnectionAbortedError):
        service.ask("POST", BATCH, "user_1", content=broken(), headers={**NDJSON, "Idempotency-Key": key})
    told = post(service, lines(rows), **{"Idempotency-Key": key})
    assert set(verdicts(told)) <= {"registered", "replayed"}
    assert len({one["entity_uid"] for one in told}) == 300
    keys = service.get("external-keys", params={"source": source, "min_position": service.head()}).json()
    assert keys["count"] == 300


def test_a_dry_run_says_what_would_be_and_appends_nothing(service: Service) -> None:
    source = f"s-{uuid4().hex}"
    body = lines(
        [line("1", source), line("1", source), line("1", source, display_name="Bo"), line("2", source, entity_type="X")]
    )
    head = service.head()
    tried = post(service, body, "?dry_run=true")
    assert service.head() == head
    assert all(one[name] is None for one in tried for name in ("event_id", "position"))
    real = post(service, body)
    assert verdicts(tried) == verdicts(real) == ["registered", "unchanged", "revised", "refused"]
    assert [one["status"] for one in tried] == [one["status"] for one in real] == [201, 200, 200, 400]


def test_a_refusal_is_a_problem_as_elsewhere(service: Service) -> None:
    source = f"s-{uuid4().hex}"
    uid = service.entity()["entity_uid"]
    service.write("DELETE", f"entities/{uid}")
    told = post(
        service,
        lines(
            [
                line("1", source),
                {"entity_uid": uid, "display_name": "Bo"},
                line("1", source, entity_uid=str(uuid4())),
                {"source": source, "external_id": "2"},
                {"source": source, "external_id": "1", "display_name": "Old", "effective_at": "1990-01-01"},
            ]
        ),
    )
    assert [one["status"] for one in told] == [201, 409, 409, 400, 409]
    _, retired, claimed, nameless, early = (one.get("problem", {}) for one in told)
    assert retired["code"] == "retired"
    assert retired["reopen"] == f"{API}/entities/{uid}/reopen"
    assert claimed["code"] == "external_key_claimed"
    assert [error["field"] for error in nameless["errors"]] == ["display_name", "entity_type"]
    assert early["code"] == "not_yet"
    assert retired.keys() >= {"type", "title", "status", "detail", "instance", "request_id"}
    assert retired["instance"] == f"{API}/{BATCH}"


def test_nasty_lines_are_refused_by_their_number_and_the_others_go_on(service: Service) -> None:
    source = f"s-{uuid4().hex}"
    good = lines([line("1", source)])
    nasty = [
        b"{bad}\n",
        b"[]\n",
        b'"text"\n',
        b"null\n",
        b"\xff\xfe{}\n",
        b'{"external_id": "\\u0000", "source": "s"}\n',
        b'{"external_id": "\\ud800", "source": "s"}\n',
        b'{"external_id": NaN}\n',
        b'{"external_id": "M\xfcller", "source": "s"}\n',
        b'{"external_id": "1", "external_id": "2", "source": "s"}\n',
        b"[" * 100_000 + b"\n",
        b'{"a":' * 50_000 + b"\n",
        b'{"external_id": "' + b"x" * 2_000_000 + b'"}\n',
        b'{"external_id": "' + b"x" * 300 + b'", "source": "s"}\n',
        b'{"external_id": "1", "source": "a:b"}\n',
        b'{"external_id": "1", "source": "s", "nonsense": 1}\n',
        b"\r\n",
        b"   \n",
    ]
    told = post(service, good + b"".join(nasty) + good.rstrip(b"\n"))
    assert [one["line"] for one in told] == [*range(1, 18), 20]
    assert [one["status"] for one in told] == [201, *[400] * 16, 200]
    assert all(one["problem"]["errors"] for one in told[1:-1])


def test_what_is_wrong_with_the_request_is_told_before_its_body_is_read(service: Service) -> None:
    body = lines([line("1")])
    problem(service.ask("POST", BATCH, content=body, headers=NDJSON), 401)
    problem(service.ask("POST", BATCH, "user_1", content=body, headers={"Content-Type": "application/json"}), 415)
    problem(service.ask("POST", f"{BATCH}?dry=1", "user_1", content=body, headers=NDJSON), 400, field="dry")
    problem(service.ask("POST", BATCH, "user_1", content=body, headers={**NDJSON, "Accept": "text/html"}), 406)
    too_long = {**NDJSON, "Idempotency-Key": "x" * 256}
    problem(service.ask("POST", BATCH, "user_1", content=body, headers=too_long), 400, field="Idempotency-Key")
    zipped = {**NDJSON, "Content-Encoding": "gzip"}
    problem(service.ask("POST", BATCH, "user_1", content=body, headers=zipped), 415)


def test_an_empty_body_has_no_verdicts(service: Service) -> None:
    assert post(service, b"") == []
    assert post(service, b"\n\n") == []


def test_a_queue_that_is_full_loses_no_line(start: Start) -> None:
    service = start(COCKPIT_QUEUE_COMMANDS="3")
    told = post(service, lines(line(str(number)) for number in range(100)))
    assert verdicts(told) == ["registered"] * 100


def test_a_client_reads_its_own_batch_at_once(service: Service) -> None:
    source = f"s-{uuid4().hex}"
    post(service, lines(line(str(number), source) for number in range(20)))
    assert service.get(f"external-keys?source={source}").json()["count"] == 20


def test_two_batches_at_once_share_the_work_and_the_keys(service: Service) -> None:
    source = f"s-{uuid4().hex}"
    body = lines(line(str(number % 40), source, display_name=str(number)) for number in range(200))
    with httpx2.Client(base_url=service.url, timeout=60) as other:
        headers = {**NDJSON, "Authorization": f"Token {service.token('user_2')}"}
        with other.stream("POST", f"{API}/{BATCH}", content=body, headers=headers) as answer:
            mine = post(service, body)
            theirs = [json.loads(told) for told in answer.iter_lines()]
    assert len({one["entity_uid"] for one in (*mine, *theirs)}) == 40
    assert "refused" not in verdicts((*mine, *theirs))
