"""Pages by number: the shape the original's clients know."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlencode

from shared.core.errors import invalid
from shared.http.shapes import Item, Page

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fastapi import Request

LAST_PAGE = 2**31


def page_number(text: str | None) -> int:
    """Return the page asked for, 1 when absent. Raises Invalid for all but a whole number from 1."""
    if text is None:
        return 1
    if not (text.isascii() and text.isdigit()) or not 1 <= int(text) <= LAST_PAGE:
        raise invalid("page", "Not a page: whole numbers from 1.", "invalid_page")
    return int(text)


def page_of(request: Request, items: Sequence[Item], *, count: int, page: int, page_size: int) -> Page[Item]:
    """Return the page with links to its neighbours, written as the request was. Past the end it is empty."""
    pages = max(1, -(-count // page_size))
    return Page(
        count=count,
        next=_link(request, page + 1) if page < pages else None,
        previous=_link(request, min(page - 1, pages)) if page > 1 else None,
        results=list(items),
    )


def _link(request: Request, page: int) -> str:
    query = [(k, v) for k, v in request.query_params.multi_items() if k != "page"]
    if page > 1:
        query.append(("page", str(page)))
    url = request.url.replace(path=request.state.written_path, query=urlencode(query))
    return str(url)
