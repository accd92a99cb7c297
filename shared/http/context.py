"""What surrounds every request: its id, the caller's address and agent, security headers, one log line."""

from __future__ import annotations

import re
from random import getrandbits
from time import perf_counter
from typing import TYPE_CHECKING

import structlog

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from fastapi import Request
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.core.events import Context
from shared.http.headers import first_of, header

SANE_ID = re.compile(r"[A-Za-z0-9._:@/+=-]{1,128}")
SECURITY_HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cache-control", b"no-store"),
]
AGENT_CHARACTERS = 512

log = structlog.get_logger()


class Surroundings:
    """The outermost ASGI middleware. A trailing slash is no part of a resource's name: both forms answer."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request and log it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = perf_counter()
        path = scope["path"]
        request_id = _given_id(scope) or _new_id()
        state = scope.setdefault("state", {})
        state["request_id"] = request_id
        state["written_path"] = path
        if path.endswith("/") and path != "/":
            scope["path"] = path.rstrip("/") or "/"
        status = 500

        def send_with_headers(message: Message) -> Awaitable[None]:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                present = dict(message["headers"])  # in lower case: ASGI has it so
                message["headers"] = [
                    *message["headers"],
                    *[pair for pair in SECURITY_HEADERS if pair[0] not in present],
                    (b"x-request-id", request_id.encode()),
                ]
            return send(message)

        try:
            await self.app(scope, receive, send_with_headers)
        finally:
            log.info(
                "request",
                method=scope["method"],
                path=path,
                status=status,
                request_id=request_id,
                actor=state.get("actor"),
                position=state.get("position"),
                ms=round((perf_counter() - started) * 1000, 2),
            )


def _given_id(scope: Scope) -> str | None:
    """Return the id that a request came with, if it is sane."""
    given = first_of(scope, b"x-request-id")
    return given if given is not None and SANE_ID.fullmatch(given) else None


def _new_id() -> str:
    """Return what no other request has, in the form of a uuid: it tells requests apart, and is no secret."""
    digits = f"{getrandbits(128):032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def origin(request: Request, reason: str | None = None) -> Context:
    """Return where a command comes from, for its event: what is personal in it is part of the payload."""
    agent = header(request, b"user-agent")
    if agent is not None:
        agent = agent.replace("\0", "")[:AGENT_CHARACTERS]
    client = request.scope.get("client")
    return Context(ip_address=client[0] if client else None, user_agent=agent, reason=reason)
