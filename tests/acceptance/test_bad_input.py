"""Bad input: each answers 4xx in problem+json that names the field, and appends nothing."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from typing import Any

import pytest

from tests.acceptance.service import Service, problem

JSON = {"Content-Type": "application/json"}
PERSON = {"display_name": "Bad input", "entity_type": "PERSON"}
GLOBEX = "e3146cf3-36b8-47b5-bd32-1e23b53745f8"
NOBODY = "00000000-0000-4000-8000-000000000000"
READS = (
    "entities",
    f"entities/{GLOBEX}",
    f"entities/{GLOBEX}/history",
    "entities-asof?as_of=2024-01-01",
    "diff?from=2022-01-01&to=2023-01-01",
    "audit",
    "entity-types",
    "detail-types",
)


@pytest.fixture(autouse=True)
def nothing_appended(service: Service) -> Iterator[None]:
    """Whatever a test here sends, the log's head must stay where it is."""
    head = service.head()
    yield
    assert service.head() == head


def email(value: object) -> dict[str, Any]:
    return {"detail_type": "EMAIL", "detail_value": value}


BODIES: dict[str, tuple[str, dict[str, Any]]] = {
    "missing name": ("display_name", {"entity_type": "PERSON"}),
    "missing type": ("entity_type", {"display_name": "x"}),
    "unknown field": ("nmae", {**PERSON, "nmae": "x"}),
    "empty name": ("display_name", {**PERSON, "display_name": ""}),
    "blank name": ("display_name", {**PERSON, "display_name": "  \t "}),
    "null name": ("display_name", {**PERSON, "display_name": None}),
    "number for a name": ("display_name", {**PERSON, "display_name": 7}),
    "name over 255": ("display_name", {**PERSON, "display_name": "x" * 256}),
    "NUL in the name": ("display_name", {**PERSON, "display_name": "a\0b"}),
    "unknown type": ("entity_type", {**PERSON, "entity_type": "NOPE"}),
    "type in small letters": ("entity_type", {**PERSON, "entity_type": "person"}),
    "type of another kind": ("entity_type", {**PERSON, "entity_type": "EMAIL"}),
    "type as an array": ("entity_type", {**PERSON, "entity_type": ["PERSON"]}),
    "details as an object": ("details", {**PERSON, "details": {"EMAIL": "x"}}),
    "details as null": ("details", {**PERSON, "details": None}),
    "a detail that is no object": ("details.0", {**PERSON, "details": ["x"]}),
    "a detail without type": ("details.0.detail_type", {**PERSON, "details": [{"detail_value": "x"}]}),
    "a detail without value": ("details.0.detail_value", {**PERSON, "details": [{"detail_type": "EMAIL"}]}),
    "unknown field in a detail": ("details.0.vlaue", {**PERSON, "details": [{**email("x"), "vlaue": "y"}]}),
    "unknown detail type": ("details", {**PERSON, "details": [{"detail_type": "NOPE", "detail_value": "x"}]}),
    "empty value": ("details.0.detail_value", {**PERSON, "details": [email("")]}),
    "null value where nothing is to remove": ("details.0.detail_value", {**PERSON, "details": [email(None)]}),
    "number for a value": ("details.0.detail_value", {**PERSON, "details": [email(5)]}),
    "value over 10,000": ("details.0.detail_value", {**PERSON, "details": [email("x" * 10_001)]}),
    "NUL in a value": ("details.0.detail_value", {**PERSON, "details": [email("\0")]}),
    "a detail type twice": ("details", {**PERSON, "details": [email("x"), email("y")]}),
    "malformed uuid": ("entity_uid", {**PERSON, "entity_uid": "4f8c10a3"}),
    "number for a uuid": ("entity_uid", {**PERSON, "entity_uid": 10**30}),
    "malformed time": ("effective_at", {**PERSON, "effective_at": "yesterday"}),
    "empty time": ("effective_at", {**PERSON, "effective_at": ""}),
    "number for a time": ("effective_at", {**PERSON, "effective_at": 1_700_000_000}),
    "impossible day": ("effective_at", {**PERSON, "effective_at": "2023-02-29"}),
    "impossible hour": ("effective_at", {**PERSON, "effective_at": "2023-02-28T25:00:00Z"}),
    "before year 1": ("effective_at", {**PERSON, "effective_at": "0001-01-01T00:00:00+01:00"}),
    "after year 9999": ("effective_at", {**PERSON, "effective_at": "9999-12-31T23:00:00-05:00"}),
}


@pytest.mark.parametrize("name", BODIES)
def test_a_body_that_is_not_valid_is_400_and_names_the_field(service: Service, name: str) -> None:
    field, body = BODIES[name]
    problem(service.write("POST", "entities", body), 400, field=field)


MALFORMED: dict[str, bytes] = {
    "empty": b"",
    "no JSON": b"display_name=x",
    "cut off": b'{"display_name": "x"',
    "trailing": b'{"display_name":"x","entity_type":"PERSON"} {}',
    "not UTF-8": b'{"display_name":"\xff","entity_type":"PERSON"}',
    "UTF-16": '{"display_name":"x","entity_type":"PERSON"}'.encode("utf-16"),
    "byte order mark": b'\xef\xbb\xbf{"display_name":"x","entity_type":"PERSON"}',
    "lone surrogate": b'{"display_name":"\\ud800","entity_type":"PERSON"}',
    "lone surrogate as bytes": b'{"display_name":"\xed\xa0\x80","entity_type":"PERSON"}',
    "100,000 brackets": b"[" * 100_000,
    "brackets in a value": b'{"display_name":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "brackets in a field that is not looked at": b'{"display_name":"x","entity_type":"PERSON","details":'
    b'[{"detail_type":"EMAIL","detail_value":"x","id":' + b"[" * 100_000 + b"]" * 100_000 + b"}]}",
    "huge integer": b'{"display_name":' + b"9" * 100_000 + b"}",
    "NaN": b'{"display_name":"x","entity_type":"PERSON","details":'
    b'[{"detail_type":"EMAIL","detail_value":"x","id":NaN}]}',
    "not UTF-8 within a string": b'{"display_name":"M\xfcller","entity_type":"PERSON"}',
    "an array": b"[]",
    "null": b"null",
    "a string": b'"x"',
}


@pytest.mark.parametrize("name", MALFORMED)
def test_a_body_that_is_no_object_of_json_is_400(service: Service, name: str) -> None:
    answer = service.write("POST", "entities", headers=JSON, content=MALFORMED[name])
    problem(answer, 400, field="non_field_errors")


@pytest.mark.parametrize(
    ("field", "raw"),
    [
        ("display_name", b'{"display_name":"A","display_name":"B","entity_type":"PERSON"}'),
        ("detail_value", b'{"details":[{"detail_type":"EMAIL","detail_value":"x","detail_value":"y"}]}'),
    ],
)
def test_a_member_that_is_there_twice_is_400(service: Service, field: str, raw: bytes) -> None:
    uid = GLOBEX
    problem(service.write("PATCH", f"entities/{uid}", headers=JSON, content=raw), 400, code="repeated", field=field)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("know_at", "Unknown field. Is known_at meant?"),
        ("pageSize", "Unknown field. Is page_size meant?"),
        ("hue", "Unknown field."),
    ],
)
def test_a_misspelt_parameter_is_refused_with_the_one_that_is_like_it(service: Service, given: str, told: str) -> None:
    answer = problem(service.get(f"entities?{given}=1"), 400, code="unknown", field=given)
    assert answer[given] == [told]


@pytest.mark.parametrize("kind", [None, "text/plain", "application/xml", "application/x-www-form-urlencoded", "json"])
def test_a_wrong_or_missing_content_type_is_415(service: Service, kind: str | None) -> None:
    headers = {} if kind is None else {"Content-Type": kind}
    for method, path in (("POST", "entities"), ("PATCH", f"entities/{GLOBEX}"), ("PUT", f"entities/{GLOBEX}")):
        problem(service.write(method, path, headers=headers, content=b'{"display_name":"x"}'), 415)


def test_a_compressed_body_is_415(service: Service) -> None:
    headers = {**JSON, "Content-Encoding": "gzip"}
    for content in (gzip.compress(b'{"display_name":"x","entity_type":"PERSON"}'), b"{}"):
        answer = service.write("POST", "entities", headers=headers, content=content)
        problem(answer, 415)
        assert answer.headers["accept-encoding"] == "identity"


def test_a_body_over_the_limit_is_413_also_when_it_comes_in_chunks(service: Service) -> None:
    def chunks() -> Iterator[bytes]:
        for _ in range(20):
            yield b" " * 100_000

    for content in (b" " * 1_048_577, chunks()):
        problem(service.write("POST", "entities", headers=JSON, content=content), 413)


@pytest.mark.parametrize("token", [None, "nonsense"])
def test_the_token_is_checked_before_the_body(service: Service, token: str | None) -> None:
    headers = {"Content-Type": "text/plain"} | ({} if token is None else {"Authorization": f"Token {token}"})
    for method, path in (
        ("POST", "entities"),
        ("PUT", f"entities/{GLOBEX}"),
        ("PATCH", f"entities/{GLOBEX}"),
        ("DELETE", f"entities/{GLOBEX}"),
        ("POST", f"entities/{GLOBEX}/reopen"),
        ("POST", "entity-types"),
        ("PATCH", "detail-types/EMAIL"),
    ):
        answer = service.ask(method, path, headers=headers, content=b"{")
        problem(answer, 401)
        assert answer.headers["www-authenticate"] == "Token"


QUERIES: dict[str, tuple[str, str]] = {
    **{f"page {page!r}": ("page", f"entities?page={page}") for page in ("0", "-1", "x", "1.5", "9" * 30, "1_0", "+1")},
    **{f"page size {size}": ("page_size", f"entities?page_size={size}") for size in ("0", "501", "x")},
    "page twice": ("page", "entities?page=1&page=2"),
    "unknown type": ("type", "entities?type=NOPE"),
    "unknown order": ("order", "entities?order=id"),
    "unknown count": ("count", "entities?count=some"),
    "detail type alone": ("detail_value", "entities?detail_type=EMAIL"),
    "detail value alone": ("detail_type", "entities?detail_value=x"),
    "q over 255": ("q", f"entities?q={'x' * 256}"),
    "NUL in q": ("q", "entities?q=%00"),
    "source alone": ("external_id", "entities?source=crm"),
    "NUL in an external id": ("external_id", "entities?external_id=%00"),
    "malformed as_of": ("as_of", "entities?as_of=tomorrow"),
    "as_of missing": ("as_of", "entities-asof"),
    "as_of empty": ("as_of", "entities-asof?as_of="),
    "as_of impossible": ("as_of", "entities-asof?as_of=2023-02-30"),
    "as_of out of years": ("as_of", "entities-asof?as_of=0001-01-01T00:00:00%2B05:00"),
    "as_of in year 10000": ("as_of", "entities-asof?as_of=10000-01-01"),
    "from missing": ("from", "diff?to=2023-01-01"),
    "to missing": ("to", "diff?from=2023-01-01"),
    "from at to": ("from", "diff?from=2023-01-01&to=2023-01-01"),
    "from after to": ("from", "diff?from=2023-01-02&to=2023-01-01"),
    "from twice": ("from", "diff?from=2023-01-01&from_date=2023-01-01&to=2024-01-01"),
    "malformed to": ("to", "diff?from=2023-01-01&to=later"),
    "malformed uid": ("entity_uid", "diff?from=2023-01-01&to=2024-01-01&entity_uid=x"),
    "unknown mode": ("mode", "diff?from=2023-01-01&to=2024-01-01&mode=x"),
    "audit of a malformed uid": ("entity_uid", "audit?entity_uid=x"),
    "audit of an unknown operation": ("operation", "audit?operation=UPSERT"),
    "audit from after to": ("from", "audit?from=2023-01-02&to=2023-01-01"),
    "malformed min_position": ("min_position", "entities?min_position=-1"),
    "huge min_position": ("min_position", "entities?min_position=" + "9" * 40),
}


@pytest.mark.parametrize("name", QUERIES)
def test_a_query_that_is_not_valid_is_400_and_names_the_field(service: Service, name: str) -> None:
    field, path = QUERIES[name]
    problem(service.get(path, user="user_1"), 400, field=field)


def test_delete_takes_no_date_in_a_body_that_it_would_not_look_at(service: Service) -> None:
    answer = service.write("DELETE", f"entities/{GLOBEX}", {"effective_at": "2025-01-01"})
    problem(answer, 400, field="effective_at")


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("entities", "GET, HEAD, POST, OPTIONS"),
        (f"entities/{GLOBEX}", "DELETE, GET, HEAD, PATCH, PUT, OPTIONS"),
        (f"entities/{GLOBEX}/history", "GET, HEAD, OPTIONS"),
        (f"entities/{GLOBEX}/reopen", "POST, OPTIONS"),
        ("auth/token", "DELETE, POST, OPTIONS"),
        ("entities-asof", "GET, HEAD, OPTIONS"),
        ("entity-types", "GET, HEAD, POST, OPTIONS"),
        ("detail-types/EMAIL", "PATCH, OPTIONS"),
        ("/ping/", "GET, HEAD, OPTIONS"),
    ],
)
def test_a_method_that_is_not_answered_is_405_with_a_true_allow(service: Service, path: str, allowed: str) -> None:
    for method in {"GET", "POST", "PUT", "PATCH", "DELETE", "TRACE"} - set(allowed.split(", ")):
        answer = service.write(method, path)
        problem(answer, 405)
        assert answer.headers["allow"] == allowed


@pytest.mark.parametrize("path", ["nothing", "/", "/api", "/api/v2/entities", "entities/x/y/z", "/%ff"])
def test_an_unknown_path_is_404(service: Service, path: str) -> None:
    for method in ("GET", "POST", "OPTIONS"):
        assert service.write(method, path).status_code == 404


@pytest.mark.parametrize("uid", [NOBODY, "x", "4f8c10a3", "%00", "{" + GLOBEX + "}", GLOBEX.replace("-", "")])
def test_an_unknown_or_malformed_uid_is_404(service: Service, uid: str) -> None:
    problem(service.get(f"entities/{uid}"), 404)
    problem(service.get(f"entities/{uid}/history"), 404)
    problem(service.write("PATCH", f"entities/{uid}", {"display_name": "x"}), 404)
    problem(service.write("PUT", f"entities/{uid}", PERSON), 404)
    problem(service.write("DELETE", f"entities/{uid}"), 404)
    problem(service.write("POST", f"entities/{uid}/reopen"), 404)


@pytest.mark.parametrize("key", ["", "k" * 256, "k" * 10_000, "schlüssel"])
def test_an_idempotency_key_that_cannot_be_kept_is_400(service: Service, key: str) -> None:
    answer = service.write("POST", "entities", PERSON, headers={"Idempotency-Key": key.encode()})
    problem(answer, 400, field="Idempotency-Key")


@pytest.mark.parametrize(
    "accept", ["text/html", "application/xml, text/plain", "*/*;q=0", "application/json;q=0, image/*"]
)
def test_a_client_that_takes_no_json_gets_406(service: Service, accept: str) -> None:
    for method, path in (("GET", "entities"), ("HEAD", "entities"), ("POST", "entities"), ("GET", "/ping/")):
        answer = service.write(method, path, headers={"Accept": accept})
        assert answer.status_code == 406
    problem(service.get("entities", headers={"Accept": accept}), 406)


@pytest.mark.parametrize(
    "accept", ["", "*/*", "application/*", "text/html,*/*;q=0.8", "application/json; charset=utf-8"]
)
def test_a_client_that_takes_json_among_others_gets_it(service: Service, accept: str) -> None:
    assert service.get("entities", headers={"Accept": accept}).status_code == 200
