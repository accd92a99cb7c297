"""What other systems call entities."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from read_side.api import answers
from read_side.api.parameters import ExternalKeysQuery
from read_side.queries import ReadModel
from read_side.shapes import ExternalKeyOut
from shared.http.auth import authorize
from shared.http.requests import read_query
from shared.http.routes import READ_HEADERS, operation
from shared.http.shapes import Page

router = APIRouter()


@operation(
    router,
    "GET",
    "/external-keys",
    summary="List external keys",
    tag="entities",
    scope="read",
    anonymous=True,
    query=ExternalKeysQuery,
    headers=[answers.IF_NONE_MATCH],
    gives=READ_HEADERS,
    answers={200: Page[ExternalKeyOut], 304: None},
)
async def list_external_keys(request: Request) -> Response:
    """List the keys by which other systems know entities, in the order in which they were claimed.

    A key is bound to its entity for good, from its claim on: what was known earlier is asked for by `known_at` or
    `position`. The list of entities takes `external_id` and `source`, too.
    """
    await authorize(request, "read")
    query = read_query(request, ExternalKeysQuery)
    part = query.part(request)
    read: ReadModel = request.app.state.read
    return answers.page(request, await read.external_keys(query.keys(), part, query.asked(request)), part)
