"""What is parked: the events that cannot be folded, for whoever has to do something about them."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from read_side.api import answers
from read_side.api.parameters import ParkedEventQuery, ParkedQuery
from read_side.queries import ReadModel
from read_side.shapes import ParkedEventOut, ParkedOut
from shared.http.auth import authorize
from shared.http.requests import read_position, read_query
from shared.http.routes import READ_HEADERS, READ_PROBLEMS, operation
from shared.http.shapes import Page

router = APIRouter()


@operation(
    router,
    "GET",
    "/parked",
    summary="List what is parked",
    tag="parked",
    scope="admin",
    query=ParkedQuery,
    headers=[answers.IF_NONE_MATCH],
    gives=READ_HEADERS,
    answers={200: Page[ParkedOut], 304: None},
)
async def list_parked(request: Request) -> Response:
    """List the events that cannot be folded, one a stream, by position; later events of the stream are behind it."""
    await authorize(request, "admin")
    query = read_query(request, ParkedQuery)
    part = query.part(request)
    read: ReadModel = request.app.state.read
    return answers.page(request, await read.parked(part, query.asked(request)), part)


@operation(
    router,
    "GET",
    "/parked/{position}",
    summary="Get a parked event",
    tag="parked",
    scope="admin",
    query=ParkedEventQuery,
    headers=[answers.IF_NONE_MATCH],
    gives=READ_HEADERS,
    answers={200: ParkedEventOut, 304: None},
    problems=(*READ_PROBLEMS, 404),
)
async def get_parked(request: Request) -> Response:
    """Return an event that is parked as it is stored, payload and all; 404 for one that is not parked."""
    await authorize(request, "admin")
    position = read_position(request.path_params)
    query = read_query(request, ParkedEventQuery)
    read: ReadModel = request.app.state.read
    return answers.one(request, await read.parked_event(position, query.asked(request)))
