"""What is to come: every change that falls due after an instant, as far as it is known."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from read_side.api import answers
from read_side.api.parameters import ScheduledQuery
from read_side.queries import ReadModel
from read_side.shapes import ScheduledOut
from shared.http.auth import authorize
from shared.http.requests import read_query
from shared.http.routes import READ_HEADERS, operation
from shared.http.shapes import Page

router = APIRouter()


@operation(
    router,
    "GET",
    "/scheduled",
    summary="List what is to come",
    tag="time",
    scope="read",
    anonymous=True,
    query=ScheduledQuery,
    headers=[answers.IF_NONE_MATCH],
    gives=READ_HEADERS,
    answers={200: Page[ScheduledOut], 304: None},
)
async def list_scheduled(request: Request) -> Response:
    """List the changes of any field after `as_of`, or after now: by instant, then entity, then field.

    The end of what is bounded is one of them. The fields are `exists`, `display_name`, `entity_type` and
    `details.<TYPE>`; the event is the one since which the change has been believed.
    """
    await authorize(request, "read")
    query = read_query(request, ScheduledQuery)
    part = query.part(request)
    read: ReadModel = request.app.state.read
    return answers.page(request, await read.scheduled(query.entity_uid, part, query.asked(request)), part)
