"""Entities as they are now, or were at an instant: the list and the single one."""

from __future__ import annotations

from functools import partial

from fastapi import APIRouter, Request, Response

from read_side.api import answers, whole
from read_side.api.parameters import EntitiesQuery, ReadQuery
from read_side.queries import ReadModel
from read_side.sheets import entity_sheet
from read_side.walking import detail_codes, walk
from shared.http.auth import authorize
from shared.http.requests import read_query, read_uid
from shared.http.routes import READ_HEADERS, READ_PROBLEMS, operation
from shared.http.shapes import EntityOut, Page

router = APIRouter()


@operation(
    router,
    "GET",
    "/entities",
    summary="List entities",
    tag="entities",
    scope="read",
    anonymous=True,
    query=EntitiesQuery,
    headers=[answers.IF_NONE_MATCH],
    gives=READ_HEADERS,
    answers={200: Page[EntityOut], 304: None},
    media=whole.MEDIA,
)
async def list_entities(request: Request) -> Response:
    """List the entities that exist now, or did at `as_of`; newest first unless another order is asked for."""
    await authorize(request, "read")
    return await listed(request, EntitiesQuery)


async def listed(request: Request, model: type[EntitiesQuery]) -> Response:
    """Answer the list that the query string asks for."""
    read: ReadModel = request.app.state.read
    query = read_query(request, model)
    ask = partial(read.entities, query.filters())
    if query.is_csv(request):
        found = await walk(ask, query.asked(request))
        return await whole.csv(request, "entities", found, entity_sheet(await detail_codes(read)))
    part = query.part(request)
    return answers.page(request, await ask(part, query.asked(request)), part)


@operation(
    router,
    "GET",
    "/entities/{entity_uid}",
    summary="Get one entity",
    tag="entities",
    scope="read",
    anonymous=True,
    query=ReadQuery,
    headers=[answers.IF_NONE_MATCH],
    gives=READ_HEADERS,
    answers={200: EntityOut, 304: None},
    problems=(*READ_PROBLEMS, 404),
)
async def get_entity(request: Request) -> Response:
    """Return an entity with its details, now or at `as_of`; 404 where it does not exist then."""
    await authorize(request, "read")
    uid = read_uid(request.path_params)
    query = read_query(request, ReadQuery)
    read: ReadModel = request.app.state.read
    return answers.one(request, await read.entity(uid, query.asked(request)))
