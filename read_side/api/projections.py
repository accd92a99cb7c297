"""How far the projections are, and how a rebuild gets on."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from read_side.projections import ProjectionOut, Projections
from shared.core.errors import Unauthenticated
from shared.http.auth import authorize
from shared.http.requests import Query, read_query
from shared.http.routes import operation
from shared.http.shapes import Page, encode

router = APIRouter()


@operation(
    router,
    "GET",
    "/projections",
    summary="List the projections",
    tag="projections",
    scope="read",
    answers={200: Page[ProjectionOut]},
)
async def list_projections(request: Request) -> Response:
    """Tell how far each projection is, and what its last rebuild does or did. A token is needed.

    The rate of a rebuild is of its phase, in events, objects or rows a second.
    """
    principal = await authorize(request, "read")
    if not principal.username:
        raise Unauthenticated("Authentication credentials were not provided.")
    read_query(request, Query)
    projections: Projections = request.app.state.projections
    found = await projections.all()
    page = Page(count=len(found), next=None, previous=None, results=found)
    return Response(encode(page), headers={"Cache-Control": "no-store"}, media_type="application/json")
