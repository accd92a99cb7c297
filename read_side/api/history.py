"""The history of one entity: every version of it and of its details."""

from __future__ import annotations

from functools import partial

from fastapi import APIRouter, Request, Response

from read_side.api import answers, whole
from read_side.api.parameters import HistoryQuery
from read_side.queries import ReadModel
from read_side.shapes import VersionOut
from read_side.sheets import HISTORY
from read_side.walking import walk
from shared.http.auth import authorize
from shared.http.requests import read_query, read_uid
from shared.http.routes import READ_HEADERS, READ_PROBLEMS, operation
from shared.http.shapes import Page

router = APIRouter()


@operation(
    router,
    "GET",
    "/entities/{entity_uid}/history",
    summary="List the versions of an entity",
    tag="entities",
    scope="read",
    anonymous=True,
    query=HistoryQuery,
    headers=[answers.IF_NONE_MATCH],
    gives=READ_HEADERS,
    answers={200: Page[VersionOut], 304: None},
    media=whole.MEDIA,
    problems=(*READ_PROBLEMS, 404),
)
async def list_history(request: Request) -> Response:
    """List the versions of an entity and its details as one timeline; with `as_of` those begun by then.

    What is scheduled is there too. An entity's version comes before its details of the same instant.
    Earlier belief has `recorded_to`. The event is the one since which it has been believed that the content begins
    there: to cancel it withdraws that; `position` is that of the row, which a later event may have made anew.
    """
    await authorize(request, "read")
    uid = read_uid(request.path_params)
    query = read_query(request, HistoryQuery)
    read: ReadModel = request.app.state.read
    ask = partial(read.history, uid, query.chronicle)
    if query.is_csv(request):
        return await whole.csv(request, f"history-{uid}", await walk(ask, query.asked(request)), HISTORY)
    part = query.part(request)
    return answers.page(request, await ask(part, query.asked(request)), part)
