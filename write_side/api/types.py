"""Entity types and detail types over HTTP, the writing half; for administrators."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from msgspec import UNSET

from shared.core.events import Kind
from shared.http.auth import authorize
from shared.http.requests import read_body
from shared.http.routes import WRITE_HEADERS, WRITE_PROBLEMS, Endpoint, operation
from shared.http.shapes import TypeOut
from write_side.api.bodies import PatchType, PostType, given
from write_side.api.commands import answer, command_request, refuse_if_match, writing
from write_side.registry import ChangeType, RegisterType, Registry

router = APIRouter()
HEADERS = ("Idempotency-Key", "Prefer")


def _shape(registry: Registry, kind: Kind, code: str) -> TypeOut:
    found = registry.types[kind, code]
    return TypeOut(found.code, found.name, found.description, found.is_active)


def _post(kind: Kind) -> Endpoint:
    async def post_type(request: Request) -> Response:
        """Add a code to the registry, for entities or details; again with the same content changes nothing."""
        principal = await authorize(request, "admin")
        refuse_if_match(request)
        body = await read_body(request, PostType)
        command = RegisterType(kind, body.code, body.name, body.description, body.is_active)
        details = command_request(request, principal, command, status=201, reason=body.reason)
        outcome = await writing(request).handler.registry(command, details)
        location = f"{request.url.path}/{body.code}"
        status = 201 if outcome.event_id is not None else 200
        return await answer(request, outcome, _shape(outcome.state, kind, body.code), status=status, location=location)

    post_type.__name__ = f"post_{kind}_type"
    return post_type


def _patch(kind: Kind) -> Endpoint:
    async def patch_type(request: Request) -> Response:
        """Change name or description; is_active false refuses new use, what exists stays."""
        principal = await authorize(request, "admin")
        refuse_if_match(request)
        body = await read_body(request, PatchType)
        code = request.path_params["code"]
        command = ChangeType(
            kind,
            code,
            given(body, "name", UNSET),
            given(body, "description", UNSET),
            given(body, "is_active", UNSET),
        )
        details = command_request(request, principal, command, status=200, reason=body.reason)
        outcome = await writing(request).handler.registry(command, details)
        return await answer(request, outcome, _shape(outcome.state, kind, code), status=200)

    patch_type.__name__ = f"patch_{kind}_type"
    return patch_type


for _kind in Kind:
    operation(
        router,
        "POST",
        f"/{_kind}-types",
        summary=f"Add a type of {_kind}",
        tag="types",
        scope="admin",
        body=PostType,
        headers=HEADERS,
        gives=(*WRITE_HEADERS, "Location"),
        answers={201: TypeOut, 200: TypeOut},
        problems=(*WRITE_PROBLEMS, 409),
    )(_post(_kind))
    operation(
        router,
        "PATCH",
        f"/{_kind}-types/{{code}}",
        summary=f"Change a type of {_kind}",
        tag="types",
        scope="admin",
        body=PatchType,
        headers=HEADERS,
        gives=WRITE_HEADERS,
        answers={200: TypeOut},
        problems=(*WRITE_PROBLEMS, 404),
    )(_patch(_kind))
