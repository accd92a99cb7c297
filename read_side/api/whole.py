"""A list as CSV: all of it in one answer, written as its pages come, so that memory does not follow its length."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, TypeVar

from fastapi import Request, Response
from fastapi.responses import StreamingResponse

from shared.http.instants import show
from shared.http.openapi import CSV, JSON
from shared.http.warning import warning

if TYPE_CHECKING:
    from read_side.sheets import Sheet
    from read_side.walking import Walk

Item = TypeVar("Item")
MEDIA = (JSON, CSV)
"""What a list that can be had whole is answered as."""


async def csv(request: Request, name: str, walk: Walk[Item], sheet: Sheet[Item]) -> Response:
    """Return the list as a file of this name.

    What is wrong with its first page is an error like any other. Later ones break the connection: a file that has lost
    its end never looks whole.
    """
    lines = _lines(walk, sheet)
    first = await anext(lines)
    request.state.position = walk.position
    return StreamingResponse(
        () if request.method == "HEAD" else _all(first, lines),
        headers={
            "Position": str(walk.position),
            "As-Of": show(walk.as_of),
            "Content-Disposition": f'attachment; filename="{name}.csv"',
            **warning(walk.warning),
        },
        media_type=f"{CSV}; charset=utf-8; header=present",
    )


async def _lines(walk: Walk[Item], sheet: Sheet[Item]) -> AsyncIterator[bytes]:
    head = sheet.head()
    async for page in walk.pages:
        yield head + sheet.lines(page)
        head = b""


async def _all(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for lines in rest:
        yield lines
