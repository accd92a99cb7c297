"""Pages by number: the shape the original's clients know."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlencode

from shared.http.shapes import Item, Page

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fastapi import Request

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
    query = [(k, v) for k, v in request.query_params.multi_items() if k not in changed]
    query += [(k, v) for k, v in changed.items() if v is not None]
    return str(request.url.replace(path=request.state.written_path, query=urlencode(query)))
