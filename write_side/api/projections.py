"""Asking for a projection to be made anew; for administrators."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter, Request, Response
from pydantic import Field

from shared.core.errors import Unknown, invalid
from shared.http.auth import authorize
from shared.http.requests import Body, read_body
from shared.http.routes import operation
from shared.http.shapes import RunOut, encode
from write_side.rebuilds import Rebuilds, Wish

router = APIRouter()


class RebuildProjection(Body):
    """What is to be made anew: all of it, or one entity."""

    entity_uid: UUID | None = Field(None, strict=False, description="The rows of this entity alone.")
    check: bool = Field(False, description="Only compare the tables with what the log says; nothing is changed.")


@operation(
    router,
    "POST",
    "/projections/{name}/rebuild",
    summary="Rebuild a projection",
    tag="projections",
    scope="admin",
    body=RebuildProjection,
    body_optional=True,
    gives=("Location",),
    answers={202: RunOut},
    problems=(400, 401, 403, 404, 406, 409, 413, 415, 503),
)
async def rebuild_projection(request: Request) -> Response:
    """Fold the whole log into new tables beside the old ones, and let them take over; everything goes on meanwhile.

    One rebuild is under way at a time. Location tells how far it is.
    """
    principal = await authorize(request, "admin")
    if request.path_params["name"] != "read_model":
        raise Unknown("projection")
    body = await read_body(request, RebuildProjection, optional=True)
    if body.check and body.entity_uid is not None:
        raise invalid("check", "Entities are compared all at once: leave entity_uid out.", "ambiguous")
    rebuilds: Rebuilds = request.app.state.rebuilds
    kind: Wish = "check" if body.check else "entity" if body.entity_uid else "rebuild"
    run = await rebuilds.ask(kind, body.entity_uid, principal.username)
    location = request.url.path.removesuffix("/").removesuffix("/read_model/rebuild")
    return Response(encode(run), 202, {"Location": location}, media_type="application/json")
