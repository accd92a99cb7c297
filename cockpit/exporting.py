"""What `cockpit export` writes: four lists, walked page by page at one point, a line an item, in constant memory."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from msgspec import Struct

from cockpit.services import waiting
from db.log_lines import LoggedEvent, to_line
from db.pool import make_pool
from read_side.extracts import Extracts
from read_side.queries import ReadModel
from read_side.questions import Asked, Filters, Slice, Trail
from read_side.shapes import VersionRow
from read_side.sheets import AUDIT, Sheet, entity_sheet, plain
from read_side.walking import PAGE_ITEMS, Ask, detail_codes, walk
from shared.http.shapes import encode

if TYPE_CHECKING:
    from db.pool import Dsns
    from shared.settings import Settings

What = Literal["entities", "versions", "events", "audit"]
Format = Literal["ndjson", "csv"]


class Sources(Struct, frozen=True):
    """Where the lists come from."""

    read: ReadModel
    extracts: Extracts

    def of(self, what: What) -> Ask[Any]:
        """Return what asks for a page of a list: entities come by uid, versions by id, events by position."""
        match what:
            case "entities":
                return partial(self.read.entities, Filters(order="entity_uid"))
            case "versions":
                return self.extracts.versions
            case "events":
                return self.extracts.events
            case "audit":
                return partial(self.read.audit, Trail())

    async def sheet(self, what: What) -> Sheet[Any]:
        """Return the columns of a list, and how an item fills them."""
        match what:
            case "entities":
                return entity_sheet(await detail_codes(self.read))
            case "versions":
                return plain(VersionRow)
            case "events":
                return plain(LoggedEvent)
            case "audit":
                return AUDIT


class Exported(Struct, frozen=True):
    """How many items were written, the position that they were known at, the head of the log, and what is missing."""

    items: int
    position: int
    head: int
    warning: str | None


@asynccontextmanager
async def sources(dsns: Dsns, settings: Settings) -> AsyncIterator[Sources]:
    """Yield the lists of a database, over one connection that reads and one that listens."""
    async with waiting(dsns) as waiter, make_pool(dsns.of("read"), 1) as pool:
        yield Sources(
            ReadModel(pool, PAGE_ITEMS, settings.wait_seconds, waiter), Extracts(pool, settings.wait_seconds, waiter)
        )


async def export(
    of: Sources, what: What, asked: Asked, form: Format, write: Callable[[bytes], object], tell: Callable[[int], None]
) -> Exported:
    """Write a list; `tell` hears after each page how many items there are by then."""
    found = await walk(of.of(what), asked)
    sheet = await of.sheet(what) if form == "csv" else None
    if sheet is not None:
        write(sheet.head())
    items = 0
    async for page in found.pages:
        write(b"".join(map(_line, page)) if sheet is None else sheet.lines(page))
        items += len(page)
        tell(items)
    log = await of.extracts.events(Slice(size=0, keyed=True), Asked())
    return Exported(items, found.position, log.position, found.warning)


def _line(item: Any) -> bytes:  # noqa: ANN401  # an item of any list
    return to_line(item) if isinstance(item, LoggedEvent) else encode(item) + b"\n"
