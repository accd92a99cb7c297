"""What the fuzz needs: the service on a database of its own, tokens, and examples that name things that are there.

An example drawn from the document alone names an entity that nobody knows and a type that nobody registered. So the
examples meant to be valid are grounded: most of what they name is exchanged for what the sample data has. Which, is
told by the example's own content, so that a seed gives the same requests again.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from hashlib import sha256
from random import Random
from typing import Any
from uuid import UUID

import httpx2
import psycopg
import schemathesis
from schemathesis import Case, GenerationMode
from schemathesis.core.failures import Failure
from schemathesis.core.transport import Response
from schemathesis.specs.openapi import checks

from cockpit.fixtures import SAMPLES
from shared.core.events import entity_stream, external_key_stream
from tests.appending import Append, Stored, append

LOG_OUT = "DELETE /api/v1/auth/token"
BATCH = "POST /api/v1/commands/batch"
STOP_SECONDS = 60
NAIVE = re.compile(r"\d{4}-\d\d-\d\d[T ][\d:.,]+", re.IGNORECASE)
UIDS = [sample.uid for sample in SAMPLES]
BROUGHT = [str(UUID(int=n, version=4)) for n in range(8)]
"""Uids that clients bring: the first time they make an entity, later they conflict or repeat."""

INSTANTS = ["2018-01-01", "2021-06-01T12:00:00Z", "2023-08-01T00:00:00+02:00", "2024-12-31T23:59:59.999999Z"]
FIELDS: dict[str, list[Any]] = {
    "entity_type": ["PERSON", "INSTITUTION"],
    "type": ["PERSON", "INSTITUTION"],
    "detail_type": ["EMAIL", "PHONE", "ADDRESS"],
    "effective_at": [None, None, None, "2025-01-01", "2025-06-01T00:00:00Z"],
    "as_of": INSTANTS,
    "min_position": [0, 1, 17],
    "page": [1, 2],
    "page_size": [1, 100],
    "display_name": ["Fuzz", "FUZZ  & Söhne"],
    "If-Match": ["*"],
    "Prefer": ["wait=1"],
    "actor": ["user_2", "fixtures"],
}
"""What a field may be exchanged for, by its name, wherever it stands; None leaves it out."""

PARKED: list[int] = []
"""Positions of events that cannot be folded: some of entities, which may be skipped, and one that stays."""

PASSWORDS = [{"username": "user_1", "password": "1234"}, {"username": "user_1", "password": "12345"}]


@schemathesis.serializer("application/x-ndjson", "application/jsonl", "application/ndjson")
def one_line(_context: Any, value: Any) -> bytes:
    """Return a batch of one line."""
    return json.dumps(value).encode() + b"\n"


@schemathesis.deserializer("application/x-ndjson")
def one_verdict(_context: Any, response: Response) -> Any:
    """Return the verdict on it."""
    return json.loads(response.content)


class Service:
    """The service that runs: where it is, and tokens for it."""

    def __init__(self, url: str, conninfo: str) -> None:
        self.url, self.conninfo = url, conninfo
        self._admin, self._user = self._log_in("user_2"), self._log_in("user_1")

    def authorization(self, case: Case[Any], chance: Random) -> dict[str, str]:
        """Return the header that most often opens the operation, and sometimes does not."""
        if case.operation.label == LOG_OUT:
            token = self._new_token()
        else:
            token = chance.choices([self._admin, self._user, "wrong"], [90, 5, 2])[0]
        header = {"Authorization": f"{chance.choice(['Token', 'Bearer', 'token'])} {token}"}
        return header if chance.random() < 0.97 else {}

    def _log_in(self, username: str) -> str:
        answer = httpx2.post(f"{self.url}/api/v1/auth/token", json={"username": username, "password": "1234"})
        return str(answer.json()["token"])

    def _new_token(self) -> str:
        """Return a token that may be revoked."""
        token = secrets.token_urlsafe()
        with psycopg.connect(self.conninfo, autocommit=True) as connection:
            connection.execute(
                "INSERT INTO auth.token (token_hash, username, label, scopes) VALUES (%s, 'user_2', 'fuzz', %s)",
                (sha256(token.encode()).digest(), ["read", "write"]),
            )
        return token

    def wait_until_projected(self) -> None:
        """Return when the read model has the whole log."""
        head = httpx2.get(f"{self.url}/ping/").json()["head_position"]
        while httpx2.get(f"{self.url}/api/v1/entities", params={"min_position": head}).status_code != httpx2.codes.OK:
            pass  # each attempt waits on the server


@contextmanager
def running_service(conninfo: str) -> Iterator[Service]:
    """Start the service with its sample data on a database, stop it at the end of the block."""
    settings = {
        "DATABASE_URL": conninfo,
        "PORT": "0",
        "WAIT_SECONDS": "0.05",  # a random min_position is never reached
        "LOGIN_FAILURES": "50",  # a random password hashes for long; beyond, 429 is an answer as well
        "LOG_LEVEL": "error",
    }
    environment = os.environ | {f"COCKPIT_{name}": value for name, value in settings.items()}
    command = [sys.executable, "-m", "cockpit", "serve"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            found = None
            while found is None:
                line = process.stdout.readline()
                assert line, f"the service ended with {process.wait()}"
                found = re.search(r"health +(http://\S+)/ping/", line)
            service = Service(found[1], conninfo)
            PARKED[:] = _park(conninfo)
            yield service
        finally:
            process.terminate()
            process.wait(STOP_SECONDS)
    assert process.returncode == 0


def _park(conninfo: str) -> list[int]:
    streams = [external_key_stream("legacy", "4:2"), *(entity_stream(UUID(int=n, version=4)) for n in range(90, 93))]
    with psycopg.connect(conninfo) as connection:
        return [v.position for v in append(connection, *(Append(stream=name, events=[Stored()]) for name in streams))]


def ground(case: Case[Any]) -> Random:
    """Exchange much of what a valid example names for what is there; return the chance that decided, for more."""
    chance = Random(json.dumps([case.operation.label, _plain(case)], sort_keys=True, default=str))  # noqa: S311
    if case.meta is None or case.meta.generation.mode is not GenerationMode.POSITIVE:
        return chance
    label = case.operation.label
    _own(case)
    _ground_path(case, case.path_parameters, chance)
    for part in (case.query, case.headers):
        _exchange(part, chance)
    if label == "GET /api/v1/diff" and chance.random() < 0.8:
        case.query = {k: v for k, v in case.query.items() if k not in {"from_date", "to_date"}}
        case.query |= {"from": INSTANTS[0], "to": chance.choice(INSTANTS[1:])}
    if label == "GET /api/v1/events" and "type" in case.query:
        case.query["type"] = chance.choice(["EntityRegistered", "cockpit.EntityRetired,TypeChanged"])
    if {"detail_type", "detail_value"} & case.query.keys() and chance.random() < 0.8:
        case.query["detail_type"], case.query["detail_value"] = "EMAIL", "tony@stark.com"
    if label == "POST /api/v1/auth/token" and chance.random() < 0.5:
        case.body = dict(chance.choice(PASSWORDS))
    elif isinstance(case.body, dict):
        _ground_body(case, case.body, chance)
    return chance


def _own(case: Case[Any]) -> None:
    """Give a case parts of its own: examples share them. An absent body stays the very object that says so."""
    for name in ("path_parameters", "query", "headers", "body"):
        if isinstance(getattr(case, name), Mapping | list):
            setattr(case, name, deepcopy(getattr(case, name)))


def _ground_path(case: Case[Any], path: dict[str, Any], chance: Random) -> None:
    label = case.operation.label
    if "entity_uid" in path and chance.random() < 0.9:
        within = slice(3) if label.startswith("DELETE") else slice(None)  # the others stay, for all else
        path["entity_uid"] = chance.choice((BROUGHT if chance.random() < 0.2 else UIDS)[within])
    if "code" in path and chance.random() < 0.9:
        path["code"] = "INSTITUTION" if "entity" in label else "ADDRESS"
    if "position" in path and chance.random() < 0.9:
        path["position"] = chance.choice(PARKED)


def _ground_body(case: Case[Any], body: dict[str, Any], chance: Random) -> None:
    _exchange(body, chance)
    if "entity_details" in body and "details" in body and chance.random() < 0.9:
        del body["entity_details"]
    if "entity_uid" in body:
        path = case.path_parameters.get("entity_uid")
        body["entity_uid"] = path or chance.choice(BROUGHT)
    for name in ("details", "entity_details"):
        listed = body.get(name) or []
        if isinstance(listed, dict):  # by type, as a batch takes them
            body[name] = {chance.choice(FIELDS["detail_type"]): value for value in listed.values()}
            continue
        for detail in listed:
            _exchange(detail, chance)
        if chance.random() < 0.9 and listed:
            body[name] = list({detail["detail_type"]: detail for detail in listed}.values())


def _exchange(part: Any, chance: Random) -> None:
    for name in sorted(part.keys() & FIELDS.keys()):
        if chance.random() < 0.9:
            part[name] = chance.choice(FIELDS[name])
            if part[name] is None:
                del part[name]


def _plain(case: Case[Any]) -> list[Any]:
    return [dict(case.path_parameters), dict(case.query), dict(case.headers), str(case.body)]


WAITED_FOR = {"min_position", "position", "known_at", "known_from", "known_to"}
"""What a read waits for, and answers 503 when that takes too long."""


def no_fault(_context: Any, response: Response, case: Case[Any]) -> None:
    """Take no 5xx but the 503 of a read that asked for a position which is not there yet."""
    if response.status_code < httpx2.codes.INTERNAL_SERVER_ERROR:
        return
    waited = response.status_code == httpx2.codes.SERVICE_UNAVAILABLE and not WAITED_FOR.isdisjoint(case.query)
    if not waited or "retry-after" not in response.headers:
        raise Failure(operation=case.operation.label, title="Fault", message=f"{response.status_code}: {response.text}")


def bad_data_is_refused(context: Any, response: Response, case: Case[Any]) -> None:
    """Take no success for what the document forbids, but for what is allowed beyond the schemas.

    A parameter that is empty counts as absent, strings are trimmed before they are measured, an instant may lack its
    offset, and HTTP allows headers beyond those that are told.
    """
    if case.operation.label == BATCH and b'"verdict":"refused"' in response.content:
        return
    values = [str(value) for value in case.query.values()]
    trimmed = any(text != text.strip() for text in [*values, *_texts(case.body)])
    beyond = "unknown-property" in str(case.headers)
    if not (trimmed or beyond or "" in values or any(map(NAIVE.fullmatch, values))):
        checks.negative_data_rejection(context, response, case)


def _texts(part: Any) -> Iterator[str]:
    """Every string in a body, however deep."""
    if isinstance(part, str):
        yield part
    elif isinstance(part, dict | list):
        for inner in part.values() if isinstance(part, dict) else part:
            yield from _texts(inner)
