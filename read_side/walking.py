"""A whole list, page by page: one statement each, at the point of the first, so that no snapshot is held for long."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Generic, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from read_side.questions import Asked, Known, Slice

if TYPE_CHECKING:
    from read_side.queries import Found, ReadModel

Item = TypeVar("Item")
Ask = Callable[[Slice, Asked], "Awaitable[Found[Item]]"]
PAGE_ITEMS = 500


class Walk(Struct, Generic[Item], frozen=True):
    """The point that a list is walked at, what is to be known beside it, its pages; the first one is there already."""

    position: int
    as_of: datetime
    warning: str | None
    pages: AsyncIterator[list[Item]]


async def walk(ask: Ask[Item], asked: Asked, size: int = PAGE_ITEMS) -> Walk[Item]:
    """Begin to walk a list, and raise what its first page raises; the pages after it raise while they are taken."""
    part = Slice(size=size, counted=False, keyed=True)
    first = await ask(part, asked)

    async def pages() -> AsyncIterator[list[Item]]:
        found, pinned, following = first, replace(asked, now=first.now, known=Known(position=first.position)), part
        while True:
            page = found.items[:size]
            yield page
            if len(found.items) <= size:
                return
            assert found.key is not None  # noqa: S101  # a list in pages has one
            following = replace(following, after=found.key(page[-1]))
            found = await ask(following, pinned)

    return Walk(first.position, first.as_of, first.warning, pages())


async def detail_codes(read: ReadModel) -> list[str]:
    """Return the code of every detail type that there is, in order: all that the entities of an earlier walk have."""
    found = await walk(partial(read.types, "detail"), Asked())
    return [kind.code async for page in found.pages for kind in page]
