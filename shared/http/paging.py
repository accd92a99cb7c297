"""Pages by number: the shape the original's clients know."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING
from urllib.parse import quote_plus

from starlette.datastructures import URL

from shared.http.headers import header
from shared.http.query_strings import pairs
from shared.http.shapes import Item, Page

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fastapi import Request

ORIGINS = 256
"""How many origins are kept as they were put together: a service has few names, and whoever asks can invent them."""
HOST_CHARACTERS = 255
"""No name is longer; what is, is put together each time."""
PLAIN = re.compile(r"[A-Za-z0-9_.~-]*")
"""What needs no escapes in a query string."""
LAST_PAGE = 2**31
"""The greatest page number that may be asked for."""


def page_of(request: Request, items: Sequence[Item], *, count: int | None, page: int, page_size: int) -> Page[Item]:
    """Return the page with links to its neighbours, written as the request was. Past the end it is empty.

    Where nobody counted, `items` holds one more than the page when another page follows.
    """
    pages = None if count is None else max(1, -(-count // page_size))
    follows = len(items) > page_size if pages is None else page < pages
    return Page(
        count=count,
        next=_link(request, page + 1) if follows else None,
        previous=_link(request, page - 1 if pages is None else min(page - 1, pages)) if page > 1 else None,
        results=list(items[:page_size]),
    )


def _link(request: Request, page: int) -> str:
    return link(request, page=str(page) if page > 1 else None)


def link(request: Request, **changed: str | None) -> str:
    """Return the URL of a request, written as it was, with some parameters changed; None leaves one out."""
    scope = request.scope
    query = [(k, v) for k, v in pairs(scope["query_string"]) if k not in changed]
    query += [(k, v) for k, v in changed.items() if v is not None]
    written = "&".join([f"{_quoted(k)}={_quoted(v)}" for k, v in query])
    host = header(request, b"host")
    quick = host is None or len(host) <= HOST_CHARACTERS
    url = (_origin if quick else _origin.__wrapped__)(scope["scheme"], tuple(scope.get("server") or ()), host)
    return f"{url}{scope['state']['written_path']}{'?' if query else ''}{written}"


def _quoted(text: str) -> str:
    """Return a name or a value as it stands in a query string; most of them stand there as they are."""
    return text if PLAIN.fullmatch(text) else quote_plus(text)


@lru_cache(maxsize=ORIGINS)
def _origin(scheme: str, server: tuple[str | int | None, ...], host: str | None) -> str:
    """Return where a request went: all that comes before its path."""
    headers = [] if host is None else [(b"host", host.encode("latin-1"))]
    scope = {
        "type": "http",
        "scheme": scheme,
        "server": server or None,
        "path": "",
        "headers": headers,
        "query_string": b"",
    }
    return str(URL(scope=scope))
