"""How an answer of the read model becomes a response: body and headers, and 304 where the client has it."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Any

from fastapi import Request, Response

from read_side.api.cursors import page_by_key
from shared.http.instants import show
from shared.http.paging import page_of
from shared.http.shapes import encode
from shared.http.warning import warning

if TYPE_CHECKING:
    from collections.abc import Mapping

    from read_side.queries import Found
    from read_side.questions import Slice

IF_NONE_MATCH = "If-None-Match"
HASH_CHARACTERS = 32
CACHING = "private, no-cache"
"""Whoever keeps an answer asks again before using it; the ETag makes that cheap."""


def one(request: Request, found: Found[Any]) -> Response:
    """Return the single item that was found."""
    return _answer(request, found, encode(found.items[0]))


def page(request: Request, found: Found[Any], part: Slice) -> Response:
    """Return a page of what was found."""
    if part.keyed:
        return _answer(request, found, encode(page_by_key(request, found, part)))
    return _answer(
        request, found, encode(page_of(request, found.items, count=found.count, page=part.page, page_size=part.size))
    )


def _answer(request: Request, found: Found[Any], body: bytes) -> Response:
    return answer(request, body, found.position, found.etag, {"As-Of": show(found.as_of), **warning(found.warning)})


def answer(
    request: Request, body: bytes, position: int, etag: str | None = None, more: Mapping[str, str] | None = None
) -> Response:
    """Return a body that reflects a position, or 304 where the client has it; without an ETag its hash is one."""
    etag = etag or f'"{sha256(body).hexdigest()[:HASH_CHARACTERS]}"'
    request.state.position = position
    headers = {"ETag": etag, "Position": str(position), "Cache-Control": CACHING, **(more or {})}
    if has(request.headers.getlist(IF_NONE_MATCH), etag):
        return Response(status_code=304, headers=headers)
    return Response(body, headers=headers, media_type="application/json")


def has(if_none_match: list[str], etag: str) -> bool:
    """Return whether the client holds the representation already: RFC 9110, 13.1.2, compared weakly."""
    given = [tag.strip().removeprefix("W/") for line in if_none_match for tag in line.split(",")]
    return etag in given or "*" in given
