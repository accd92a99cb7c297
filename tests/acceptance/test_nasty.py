"""A hundred nasty requests never give a 500, as bytes on the wire where a client library would be too polite."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from itertools import product
from urllib.parse import quote, urlsplit

import pytest

from tests.acceptance.service import API, Service

GLOBEX = "e3146cf3-36b8-47b5-bd32-1e23b53745f8"
TEXTS = {
    "empty": "",
    "NUL": "\0",
    "NUL inside": "a\0b",
    "newlines": "a\r\nSet-Cookie: x=1",
    "right to left": "\u202e\u2066",
    "emoji": "👩‍👩‍👧‍👦" * 20,
    "combining": "e" + "\u0301" * 200,
    "not a character": "\ufffe\uffff\U0010ffff",
    "SQL": "'; DROP TABLE log.event; --",
    "format": "%s%n{0}{}$1",
    "path": "../../../etc/passwd",
    "long": "x" * 8000,
    "number": "9" * 400,
    "infinity": "-Infinity",
    "true": "true",
}
READS = (
    f"{API}/entities?q={{}}",
    f"{API}/entities?type={{}}",
    f"{API}/entities?detail_type=EMAIL&detail_value={{}}",
    f"{API}/entities/{{}}",
    f"{API}/entities-asof/?as_of={{}}",
    f"{API}/diff/?from={{}}&to=2024-01-01",
    f"{API}/audit?request_id={{}}&actor={{}}",
)
BODIES: dict[str, Callable[[str], object]] = {
    "name": lambda text: {"display_name": text, "entity_type": "PERSON"},
    "type": lambda text: {"display_name": "x", "entity_type": text},
    "date": lambda text: {"display_name": "x", "entity_type": "PERSON", "effective_at": text},
    "detail": lambda text: {
        "display_name": "Nasty",
        "entity_type": "PERSON",
        "details": [{"detail_type": "EMAIL", "detail_value": text}],
    },
    "member": lambda text: {text: text},
    "bare": lambda text: text,
    "nested": lambda text: {"display_name": {"a": [text]}, "details": {"b": text}},
}
LINES = {
    "unknown method": b"FOO / HTTP/1.1\r\nHost: x\r\n\r\n",
    "no host": b"GET /api/v1/entities HTTP/1.1\r\n\r\n",
    "old HTTP": b"GET /ping/ HTTP/1.0\r\n\r\n",
    "HTTP of the future": b"GET /ping/ HTTP/9.9\r\nHost: x\r\n\r\n",
    "garbage": b"\x00\x01\x02\x03\r\n\r\n",
    "another protocol": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    "absolute URL": b"GET http://elsewhere/api/v1/entities HTTP/1.1\r\nHost: x\r\n\r\n",
    "star": b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n",
    "raw bytes in the path": b"GET /api/v1/entities/\xff\xfe HTTP/1.1\r\nHost: x\r\n\r\n",
    "half an escape": b"GET /api/v1/entities?q=%f HTTP/1.1\r\nHost: x\r\n\r\n",
    "escapes that are no UTF-8": b"GET /api/v1/entities?q=%ff%fe HTTP/1.1\r\nHost: x\r\n\r\n",
    "an escaped surrogate": b"GET /api/v1/entities?q=%ed%a0%80 HTTP/1.1\r\nHost: x\r\n\r\n",
    "path of slashes": b"GET /////////// HTTP/1.1\r\nHost: x\r\n\r\n",
    "2,000 parameters": b"GET /api/v1/entities?" + b"&".join([b"a[b][c]=1"] * 2000) + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    "a host that is none": b"GET /api/v1/entities HTTP/1.1\r\nHost: a b/c?d#e\r\n\r\n",
    "an IPv6 host cut off": b"GET /api/v1/entities HTTP/1.1\r\nHost: [::1\r\n\r\n",
    "no length, no body": b"POST /api/v1/auth/token HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n\r\n",
    "negative length": b"POST /api/v1/entities HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
    "a length and chunks": b"POST /api/v1/auth/token HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "a chunk of no size": b"POST /api/v1/auth/token HTTP/1.1\r\nHost: x\r\n"
    b"Transfer-Encoding: chunked\r\n\r\nzz\r\n\r\n",
    "a multipart without boundary": b"POST /api/v1/auth/token HTTP/1.1\r\nHost: x\r\n"
    b"Content-Type: multipart/form-data\r\nContent-Length: 3\r\n\r\nabc",
    "a form with odd escapes": b"POST /api/v1/auth/token HTTP/1.1\r\nHost: x\r\n"
    b"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 21\r\n\r\nusername=%ff&password=",
}
HEADERS = {
    "Authorization": "Token \xff\xfe",
    "Accept": ";;;,,q=q=q,*/*;q=NaN",
    "If-None-Match": '",,,"\xff*',
    "X-Request-Id": "\xff" * 50,
    "Range": "bytes=0-1,5-2",
    "Cookie": "=;" * 500,
    "Content-Length": "0",
    "Expect": "100-continue",
    "Connection": "Upgrade, close",
    "Upgrade": "websocket",
    "X-Forwarded-For": "not an address",
    "User-Agent": "\xff" * 2000,
    "Content-Type": "application/json; charset=\xff; charset=x",
    "If-Match": '"a","b' * 100,
    "Prefer": "wait=99999999999999999999",
    "Idempotency-Key": "\xff",
}


def status_on_the_wire(service: Service, raw: bytes) -> int | None:
    """Return the status that bytes are answered with, None where the connection is closed without one."""
    url = urlsplit(service.url)
    with socket.create_connection((url.hostname, url.port or 0), timeout=20) as wire:
        wire.sendall(raw)
        wire.shutdown(socket.SHUT_WR)
        with wire.makefile("rb") as answer:
            line = answer.readline()
    return int(line.split()[1]) if line else None


@pytest.mark.parametrize(("path", "text"), list(product(READS, TEXTS)))
def test_nasty_reads(service: Service, path: str, text: str) -> None:
    answer = service.get(path.replace("{}", quote(TEXTS[text], safe="", errors="surrogatepass")), user="user_1")
    assert answer.status_code < 500
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize(("body", "text"), list(product(BODIES, TEXTS)))
def test_nasty_writes(service: Service, body: str, text: str) -> None:
    content = json.dumps(BODIES[body](TEXTS[text]))
    headers = {"Content-Type": "application/json"}
    for method, path in (("POST", "entities"), ("PATCH", f"entities/{GLOBEX[:-1]}0"), ("POST", "entity-types")):
        answer = service.write(method, path, content=content, headers=headers, user="user_2")
        assert answer.status_code < 500
        if answer.status_code == 201:
            assert service.get(answer.headers["location"]).json() == answer.json()


@pytest.mark.parametrize("name", LINES)
def test_nasty_bytes(service: Service, name: str) -> None:
    status = status_on_the_wire(service, LINES[name])
    assert status is None or status < 500
    assert service.get("/livez").status_code == 200


@pytest.mark.parametrize("name", HEADERS)
def test_nasty_headers(service: Service, name: str) -> None:
    for method, path in (
        ("GET", f"{API}/entities"),
        ("GET", f"{API}/entities/{GLOBEX}"),
        ("PATCH", f"{API}/entities/{GLOBEX}"),
    ):
        token = b"" if name == "Authorization" else f"Authorization: Token {service.token()}\r\n".encode()
        header = f"{name}: {HEADERS[name]}\r\n".encode("latin-1")
        raw = f"{method} {path} HTTP/1.1\r\nHost: x\r\n".encode() + token + header + b"\r\n"
        status = status_on_the_wire(service, raw)
        assert status is None or status < 500


def test_a_body_that_is_said_to_be_over_the_limit_is_413_before_it_comes(service: Service) -> None:
    url = urlsplit(service.url)
    with socket.create_connection((url.hostname, url.port or 0), timeout=20) as wire:
        head = f"POST {API}/entities HTTP/1.1\r\nHost: x\r\nAuthorization: Token {service.token()}\r\n"
        more = "Content-Type: application/json\r\nContent-Length: 2147483648\r\nExpect: 100-continue\r\n\r\n"
        wire.sendall((head + more).encode())
        with wire.makefile("rb") as answer:
            assert answer.readline().split()[1] == b"413"
