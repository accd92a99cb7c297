"""Questions about time: what existed at an instant, and what changed between two."""

from __future__ import annotations

from datetime import datetime

from fastapi import APIRouter, Request, Response

from read_side.api import answers
from read_side.api.entities import listed
from read_side.api.parameters import AsOfQuery, DiffQuery
from read_side.diff import EntityDiff
from read_side.queries import ReadModel
from read_side.questions import Window
from shared.core.errors import FieldError, Invalid, invalid
from shared.http.auth import authorize
from shared.http.requests import read_query
from shared.http.routes import READ_HEADERS, operation
from shared.http.shapes import EntityOut, Page

router = APIRouter()


@operation(
    router,
    "GET",
    "/entities-asof",
    summary="List entities at an instant",
    tag="time",
    scope="read",
    anonymous=True,
    query=AsOfQuery,
    headers=[answers.IF_NONE_MATCH],
    gives=READ_HEADERS,
    answers={200: Page[EntityOut], 304: None},
)
async def list_entities_as_of(request: Request) -> Response:
    """List the entities that existed at `as_of`, with the details of that instant; by uid unless asked otherwise."""
    await authorize(request, "read")
    return await listed(request, AsOfQuery, "entity_uid")


@operation(
    router,
    "GET",
    "/diff",
    summary="Compare two instants",
    tag="time",
    scope="read",
    anonymous=True,
    query=DiffQuery,
    headers=[answers.IF_NONE_MATCH],
    gives=READ_HEADERS,
    answers={200: Page[EntityDiff], 304: None},
)
async def get_diff(request: Request) -> Response:
    """Return what differs between the states at `from` and at `to`, or every change in between, by entity.

    The fields are `exists`, `display_name`, `entity_type` and `details.<TYPE>`, in this order; a field that is absent
    is null. The net difference has the instant of each field's last change; `mode=changes` goes by instant, then field.
    """
    await authorize(request, "read")
    query = read_query(request, DiffQuery)
    part = query.part(request)
    read: ReadModel = request.app.state.read
    return answers.page(request, await read.diff(_window(query), part, query.asked(request)), part)


def _window(query: DiffQuery) -> Window:
    start, end = _either("from", query.from_, query.from_date), _either("to", query.to, query.to_date)
    missing = [name for name, instant in (("from", start), ("to", end)) if instant is None]
    if start is None or end is None:
        raise Invalid([FieldError(name, "This field is required.", "required") for name in missing])
    if start >= end:
        raise invalid("from", "Must be earlier than to.", "not_before")
    return Window(start=start, end=end, mode=query.mode, entity_uid=query.entity_uid)


def _either(name: str, given: datetime | None, alias: datetime | None) -> datetime | None:
    if given is not None and alias is not None:
        raise invalid(name, f"Given twice: as {name} and as {name}_date.", "repeated")
    return given if given is not None else alias
