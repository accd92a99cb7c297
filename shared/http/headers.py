"""The headers of a request, looked through once: a request is asked for many, most of which it has not."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fastapi import Request
    from starlette.types import Scope

FIRST_HEADERS = "cockpit.first_headers"
"""Where a request's scope keeps the first header of each name."""


def header(request: Request, name: bytes) -> str | None:
    """Return the first header of a name, which is in lower case; None without one."""
    return first_of(request.scope, name)


def first_of(scope: Scope, name: bytes) -> str | None:
    """Return the same where there is no request yet."""
    first = scope.get(FIRST_HEADERS)
    if first is None:
        first = scope[FIRST_HEADERS] = dict(reversed(scope["headers"]))
    value = first.get(name)
    return None if value is None else str(value, "latin-1")
