"""Questions about time: what existed at an instant, and what changed between two."""

from __future__ import annotations

from functools import partial

from fastapi import APIRouter, Request, Response

from read_side.api import answers, whole
from read_side.api.diff_parameters import DiffQuery
from read_side.api.entities import listed
from read_side.api.parameters import AsOfQuery
from read_side.diff import EntityDiff
from read_side.queries import ReadModel
from read_side.sheets import diff_sheet
from read_side.walking import walk
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
    media=whole.MEDIA,
)
async def list_entities_as_of(request: Request) -> Response:
    """List the entities that existed at `as_of`, with the details of that instant; by uid unless asked otherwise."""
    await authorize(request, "read")
    return await listed(request, AsOfQuery)


@operation(
    router,
    "GET",
    "/diff",
    summary="Compare two points of time",
    tag="time",
    scope="read",
    anonymous=True,
    query=DiffQuery,
    headers=[answers.IF_NONE_MATCH],
    gives=READ_HEADERS,
    answers={200: Page[EntityDiff], 304: None},
    media=whole.MEDIA,
)
async def get_diff(request: Request) -> Response:
    """Return what differs between two points of time, by entity: `from` as known at `known_from`, `to` at `known_to`.

    Of either pair both are given or none: what is missing is the same for both points, `as_of`, and `known_at` or
    `position`. The fields are `exists`, `display_name`, `entity_type` and `details.<TYPE>`, in this order; a field that
    is absent is null. Every change has the event that made the new value, or ended the old one.

    `mode=changes` goes first through what became known of `from`, by event, then from `from` to `to` as known at
    `known_to`, by instant; `change_timestamp` is when the event was recorded, then the instant of valid time. The net
    difference has each field's last change on this way. `mode=knowledge` lists, by field, the stretches of valid time
    between `from` and `to` (else all of it) of which something else was known; `change_timestamp` is when that was
    recorded. Pages are by uid, those of a cursor too.
    """
    await authorize(request, "read")
    query = read_query(request, DiffQuery)
    read: ReadModel = request.app.state.read
    ask = partial(read.diff, query.window())
    if query.is_csv(request):
        return await whole.csv(request, "diff", await walk(ask, query.asked(request)), diff_sheet(query.mode))
    part = query.part(request)
    return answers.page(request, await ask(part, query.asked(request)), part)
