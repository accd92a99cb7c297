"""How an answer of the read model becomes a response: body and headers, and 304 where the client has it."""

from __future__ import annotations

from datetime import UTC
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from fastapi import Request, Response

from read_side.api.cursors import page_by_key
from shared.http.headers import header
from shared.http.paging import page_of
from shared.http.ready import JSON, Ready
from shared.http.shapes import encode
from shared.http.warning import warning

if TYPE_CHECKING:
    from datetime import datetime

    from read_side.queries import Found
    from read_side.questions import Slice

IF_NONE_MATCH = "If-None-Match"
IF_NONE_MATCH_NAME = IF_NONE_MATCH.lower().encode()
HASH_CHARACTERS = 32
CACHING = b"cache-control", b"private, no-cache"
"""Whoever keeps an answer asks again before using it; the ETag makes that cheap."""


def one(request: Request, found: Found[Any]) -> Response:
    """Return the single item that was found."""
    body = encode(found.items[0])
    tag = None if found.etag is None else found.etag.encode()
    return answer(request, body, found.position, tag, found.as_of, found.warning)


def page(request: Request, found: Found[Any], part: Slice) -> Response:
    """Return a page of what was found."""
    scope = request.scope
    server, host = tuple(scope.get("server") or ()), header(request, b"host")
    place = scope["scheme"], server, host, scope["state"]["written_path"], scope["query_string"]
    made = found.bodies.get(place)
    if made is None:
        body = _page(request, found, part)
        made = found.bodies[place] = body, tag_of(body)
    return answer(request, made[0], found.position, made[1], found.as_of, found.warning)


def _page(request: Request, found: Found[Any], part: Slice) -> bytes:
    if part.keyed:
        return encode(page_by_key(request, found, part))
    return encode(page_of(request, found.items, count=found.count, page=part.page, page_size=part.size))


def tag_of(body: bytes) -> bytes:
    """Return the ETag of what has none of its own: its hash."""
    return b'"%b"' % sha256(body).hexdigest()[:HASH_CHARACTERS].encode()


def answer(
    request: Request,
    body: bytes,
    position: int,
    etag: bytes | None = None,
    as_of: datetime | None = None,
    warned: str | None = None,
) -> Response:
    """Return a body that reflects a position, or 304 where the client has it; without an ETag its hash is one."""
    scope = request.scope
    scope["state"]["position"] = position
    tag = etag or tag_of(body)
    headers = [(b"etag", tag), (b"position", b"%d" % position), CACHING]
    if as_of is not None:
        headers.append((b"as-of", encode(as_of.astimezone(UTC))[1:-1]))
    if warned is not None:
        headers += [(name.lower().encode(), text.encode()) for name, text in warning(warned).items()]
    given = [value for name, value in scope["headers"] if name == IF_NONE_MATCH_NAME]
    if given and has(given, tag):
        return Ready(304, headers)
    return Ready(200, headers, body, JSON)


def has(if_none_match: list[bytes], etag: bytes) -> bool:
    """Return whether the client holds the representation already: RFC 9110, 13.1.2, compared weakly."""
    given = [tag.strip().removeprefix(b"W/") for line in if_none_match for tag in line.split(b",")]
    return etag in given or b"*" in given
