"""The types that entities and details may have, active or not."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter, Request, Response

from read_side.api import answers
from read_side.api.parameters import TypesQuery
from read_side.queries import ReadModel
from shared.http.auth import authorize
from shared.http.requests import read_query
from shared.http.routes import READ_HEADERS, operation
from shared.http.shapes import Page, TypeOut

router = APIRouter()


@operation(
    router,
    "GET",
    "/entity-types",
    summary="List the entity types",
    tag="types",
    scope="read",
    anonymous=True,
    query=TypesQuery,
    headers=[answers.IF_NONE_MATCH],
    gives=READ_HEADERS,
    answers={200: Page[TypeOut], 304: None},
)
async def list_entity_types(request: Request) -> Response:
    """List the entity types by code."""
    return await _listed(request, "entity")


@operation(
    router,
    "GET",
    "/detail-types",
    summary="List the detail types",
    tag="types",
    scope="read",
    anonymous=True,
    query=TypesQuery,
    headers=[answers.IF_NONE_MATCH],
    gives=READ_HEADERS,
    answers={200: Page[TypeOut], 304: None},
)
async def list_detail_types(request: Request) -> Response:
    """List the detail types by code."""
    return await _listed(request, "detail")


async def _listed(request: Request, kind: Literal["entity", "detail"]) -> Response:
    await authorize(request, "read")
    query = read_query(request, TypesQuery)
    part = query.part(request)
    read: ReadModel = request.app.state.read
    return answers.page(request, await read.types(kind, part, query.asked(request)), part)
