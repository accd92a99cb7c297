"""Cursors: pages by key, all of them at the point of the first one, so that those of a moving table join up exactly.

`cursor=*` asks for the first page; `next` and `previous` are URLs from then on. What a cursor says is for nobody but
this file: where its page begins, what it is pinned to, and which other parameters it belongs to. Nothing signs it, so
that it outlives the process: whatever it says is checked as any other input is.
"""

from __future__ import annotations

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import UTC, datetime
from hashlib import sha256
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from msgspec import Meta, Struct
from msgspec.structs import replace

from read_side.questions import Key
from shared.core.errors import Invalid, invalid
from shared.http.paging import link
from shared.http.query_strings import pairs
from shared.http.shapes import Page

if TYPE_CHECKING:
    from fastapi import Request

    from read_side.queries import Found
    from read_side.questions import Parts, Slice

FIRST = "*"
FREE = {"cursor", "page", "page_size", "count", "min_position"}
"""The parameters that say nothing about what the list holds: they may change from page to page."""
DIGEST_CHARACTERS = 16


class Cursor(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Where a page begins: after its key, or before it; what counts as now, what was known; and the count."""

    digest: str
    now: Annotated[datetime, Meta(tz=True)]
    position: Annotated[int, Meta(ge=0, le=2**63 - 1)]
    key: Key
    backward: bool
    count: Annotated[int, Meta(ge=0, le=2**63 - 1)] | None


CURSOR = msgspec.json.Decoder(Cursor)


def read_cursor(request: Request, text: str, parts: Parts) -> Cursor | None:
    """Return a cursor that one of our pages linked to, its instants in UTC; None for that of a first page.

    It is read once a request, whoever wants it. Raises Invalid for what is none, for one that belongs to another
    question, and for a key of other parts than these.
    """
    if text == FIRST:
        return None
    state = request.scope["state"]
    if "cursor" not in state:
        state["cursor"] = _read(request, text, parts)
    cursor: Cursor = state["cursor"]
    return cursor


def _read(request: Request, text: str, parts: Parts) -> Cursor:
    try:
        padded = text + "=" * (-len(text) % 4)
        cursor = CURSOR.decode(urlsafe_b64decode(padded.encode("ascii")))
        cursor = replace(cursor, now=cursor.now.astimezone(UTC), key=cursor.key.in_utc())
    except (ValueError, OverflowError, binascii.Error, msgspec.MsgspecError):
        raise _not_one_of_ours() from None
    if cursor.digest != _digest(request):
        raise invalid("cursor", "It belongs to another list, or to other parameters.", "other_cursor")
    if cursor.key.parts != parts:
        raise _not_one_of_ours()
    return cursor


def page_by_key(request: Request, found: Found[Any], part: Slice) -> Page[Any]:
    """Return the page with links to its neighbours; of its items one more than its size is left out."""
    more = len(found.items) > part.size
    items = found.items[-part.size :] if part.backward else found.items[: part.size]
    follows, precedes = (True, more) if part.backward else (more, part.after is not None)
    count = part.total if found.count is None and part.counted else found.count
    cursor: Cursor | None = request.scope["state"].get("cursor")
    digest = _digest(request) if cursor is None else cursor.digest

    def to(item: Any, *, backward: bool) -> str:  # noqa: ANN401  # an item of any list
        assert found.now is not None and found.key is not None  # noqa: S101, PT018  # a list in pages has both
        there = Cursor(digest, found.now, found.position, found.key(item), backward, count)
        return link(request, cursor=urlsafe_b64encode(msgspec.json.encode(there)).decode().rstrip("="), page=None)

    return Page(
        count=count,
        next=to(items[-1], backward=False) if items and follows else None,
        previous=to(items[0], backward=True) if items and precedes else None,
        results=items,
    )


def _not_one_of_ours() -> Invalid:
    return invalid("cursor", "Not a cursor: begin with *, and follow next and previous.", "invalid_cursor")


def _digest(request: Request) -> str:
    """Return what tells a question from any other: its list, and the parameters that say what is in it."""
    path, given = request.scope["path"], pairs(request.scope["query_string"])
    asked = sorted((k, v.strip()) for k, v in given if k not in FREE and v.strip())
    return sha256(msgspec.json.encode([path, asked])).hexdigest()[:DIGEST_CHARACTERS]
