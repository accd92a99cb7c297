"""From an HTTP write to a command's request, and from its outcome back: the headers that all writes share."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import msgspec
from fastapi import Request, Response
from msgspec import UNSET, Struct
from msgspec.structs import asdict

from shared.core.errors import invalid
from shared.core.events import Metadata
from shared.http.context import origin
from shared.http.headers import header
from shared.http.own_writes import OwnWrites
from shared.http.ready import JSON, Ready
from shared.http.shapes import encode
from write_side import handler
from write_side.appends import Receipt
from write_side.handler import Handler, Outcome
from write_side.skipping import Skipped, Skipper

if TYPE_CHECKING:
    from shared.http.auth import Principal

canonical = msgspec.json.Encoder(order="sorted").encode
KEY_CHARACTERS = 255
LONGEST_WAIT = 60.0
WAIT = re.compile(r"(?:^|[,;\s])wait\s*=\s*(\d{1,6})(?:$|[,;\s])")
MEMORY_OF_A_BYTE = 4
"""About what a byte of a body takes while its command waits."""
HEADERS = ("Idempotency-Key", "If-Match", "Prefer")
"""The request headers that every write documents."""


class Writing(Struct, frozen=True):
    """What the endpoints of the write side need; the composition root puts it into the app's state as `write`."""

    handler: Handler
    skipper: Skipper
    rehearse: Callable[[], AbstractAsyncContextManager[Handler]]
    wait_projected: Callable[[int, float], Awaitable[bool]]
    own_writes: OwnWrites
    replay_seconds: float
    require_if_match: bool


def writing(request: Request) -> Writing:
    """Return the services of the write side."""
    services: Writing = request.app.state.write
    return services


def command_request(
    request: Request,
    principal: Principal,
    asked: object,
    *,
    status: int,
    is_new: bool = False,
    replay_content: bool = False,
    reason: str | None = None,
) -> handler.Request:
    """Return what a command comes with.

    `asked` is what the request asks for, however it was written; `status` is what it answers the first time. What
    `is_new` builds on no version; with `replay_content` a request without Idempotency-Key is known by its content for
    a while.
    """
    services = writing(request)
    key = idempotency_key(request)
    receipt = None
    if key is not None or (replay_content and services.replay_seconds > 0):
        content = content_of(asked) + (b"" if reason is None else canonical({"reason": reason}))
        of, name, window = "key", (key or "").encode(), None
        if key is None:
            of, name, window = "content", content, timedelta(seconds=services.replay_seconds)
        receipt = Receipt(_scoped(principal, request, of, name), sha256(content).digest(), status, window)
    state = request.scope["state"]
    return handler.Request(
        metadata=Metadata(actor=principal.username, request_id=state["request_id"]),
        context=origin(request, reason),
        receipt=receipt,
        if_match=_tags(request),
        must_match=services.require_if_match and not is_new,
        size=state.get("body_bytes", 0) * MEMORY_OF_A_BYTE,
    )


def _tags(request: Request) -> list[str] | None:
    """Return the tags of the If-Match header, None without one."""
    if header(request, b"if-match") is None:
        return None
    given = [str(value, "latin-1") for name, value in request.scope["headers"] if name == b"if-match"]
    return [tag.strip() for tag in ",".join(given).split(",")]


def idempotency_key(request: Request) -> str | None:
    """Return the key that a client gave its command. Raises Invalid for what cannot be one."""
    key = header(request, b"idempotency-key")
    if key is not None and sum(name == b"idempotency-key" for name, _ in request.scope["headers"]) > 1:
        raise invalid("Idempotency-Key", "Given more than once.", "repeated")
    if key is not None and not (1 <= len(key) <= KEY_CHARACTERS and key.isascii() and key.isprintable()):
        raise invalid("Idempotency-Key", f"1 to {KEY_CHARACTERS} printable ASCII characters.", "invalid_key")
    return key


def content_of(asked: object) -> bytes:
    """Return what a request asks for, the same bytes for the same. NOTE: a storage format: receipts keep its digest.

    A bound that is not given is left out: receipts of requests made before there were any stay good.
    """
    return canonical([_said(part) for part in asked] if isinstance(asked, list) else _said(asked))


def _said(asked: object) -> object:
    """Return a command as its members, but for what it leaves open; anything else as it is."""
    if not isinstance(asked, Struct):
        return asked
    said = {name: value for name, value in asdict(asked).items() if value is not UNSET}
    if said.get("effective_until", "") is None:
        del said["effective_until"]
    return said


def refuse_if_match(request: Request) -> None:
    """Raise Invalid for a condition on what has no version of its own: what is new, and a single type."""
    if header(request, b"if-match") is not None:
        raise invalid("If-Match", "There is no version here that it could name.", "not_applicable")


def _scoped(principal: Principal, request: Request, kind: str, key: bytes) -> bytes:
    """Return the digest under which a receipt is kept."""
    path = request.scope["path"].lower()  # a uid is the same in either case
    return sha256(encode([kind, principal.username, request.method, path]) + key).digest()


async def answer(
    request: Request,
    outcome: Outcome[Any] | Skipped,
    body: object,
    *,
    status: int,
    etag: str | None = None,
    location: str | None = None,
) -> Response:
    """Return the response to a command, after the wait that `Prefer: wait=N` asks for; `body` None means no content."""
    services = writing(request)
    headers = [(b"position", b"%d" % outcome.position)]
    if outcome.event_id is not None:
        headers.append((b"event-id", encode(outcome.event_id)[1:-1]))
    if etag is not None:
        headers.append((b"etag", etag.encode()))
    if location is not None:
        headers.append((b"location", location.encode("latin-1")))
    if outcome.replayed:
        headers.append((b"idempotent-replayed", b"true"))
    request.scope["state"]["position"] = outcome.position
    services.own_writes.note(request, outcome.position)
    preference = header(request, b"prefer")
    wait = preference and WAIT.search(preference)
    if wait and await services.wait_projected(outcome.position, min(float(wait[1]), LONGEST_WAIT)):
        headers.append((b"preference-applied", f"wait={wait[1]}".encode()))
    if body is None:
        return Ready(204, headers)
    return Ready(status, headers, encode(body), JSON)
