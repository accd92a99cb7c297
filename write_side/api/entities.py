"""Entities over HTTP, the writing half: POST, PATCH, PUT, DELETE, reopen, cancel."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from fastapi import APIRouter, Request, Response
from msgspec import UNSET

from shared.core.rows import DetailVersion, EntityVersion
from shared.core.segments import ENTITY
from shared.http.auth import Principal, authorize
from shared.http.headers import header
from shared.http.requests import Body, read_body, read_query, read_uid
from shared.http.routes import WRITE_HEADERS, WRITE_PROBLEMS, operation
from shared.http.shapes import EntityOut, entity_out
from write_side.api.bodies import (
    CancelEvent,
    DatedQuery,
    PatchEntity,
    PostEntity,
    PutEntity,
    ReopenEntity,
    details_of,
    given,
)
from write_side.api.commands import HEADERS, answer, command_request, refuse_if_match, writing
from write_side.entity import Cancel, Command, Entity, Register, Reopen, Replace, Retire, Revise, etag
from write_side.handler import Outcome

router = APIRouter()
PROBLEMS = (*WRITE_PROBLEMS, 404, 409, 412, 428)
GIVES = (*WRITE_HEADERS, "ETag")
PATH = "/entities/{entity_uid}"


async def _answer(
    request: Request, command: Command, outcome: Outcome[Entity], *, status: int = 200, location: str | None = None
) -> Response:
    """Answer with the entity at the later of the command's own instant and now; with its own where it has ended since.

    Where the command left no existence at either, there is nothing to show: 204.
    """
    entity, now = outcome.state, outcome.now
    at = getattr(command, "effective_at", None) or now
    shape = _shape(entity, max(at, now), now) or _shape(entity, at, now)
    if shape is None:
        status = 204
    tag = etag(entity, now)
    return await answer(request, outcome, shape, status=status, etag=tag, location=location)


def _shape(entity: Entity, at: datetime, now: datetime) -> EntityOut | None:
    row = entity.row_at(ENTITY, at)
    if not isinstance(row, EntityVersion):
        return None
    details = [entity.row_at(group, at) for group in entity.rows]
    return entity_out(row, [detail for detail in details if isinstance(detail, DetailVersion)], now)


@operation(
    router,
    "POST",
    "/entities",
    summary="Register an entity",
    tag="entities",
    scope="write",
    body=PostEntity,
    headers=("Idempotency-Key", "Prefer"),
    gives=(*GIVES, "Location"),
    answers={201: EntityOut, 200: EntityOut},
    problems=(*WRITE_PROBLEMS, 409),
)
async def post_entity(request: Request) -> Response:
    """Make an entity known. The same request again is answered as the first time: see Idempotency-Key."""
    principal = await authorize(request, "write")
    refuse_if_match(request)
    body = await read_body(request, PostEntity)
    command = Register(
        display_name=body.display_name,
        entity_type=body.entity_type,
        details=details_of(body),
        **body.span(),
    )
    asked = [body.entity_uid, command]
    by_content = body.entity_uid is None
    details = command_request(
        request, principal, asked, status=201, is_new=True, replay_content=by_content, reason=body.reason
    )
    outcome = await writing(request).handler.entity(body.entity_uid, command, details)
    first = outcome.event_id is not None and (not outcome.replayed or header(request, b"idempotency-key") is not None)
    location = f"{request.scope['path']}/{outcome.state.entity_uid}"
    return await _answer(request, command, outcome, status=201 if first else 200, location=location)


@operation(
    router,
    "PATCH",
    PATH,
    summary="Change parts of an entity",
    tag="entities",
    scope="write",
    body=PatchEntity,
    headers=HEADERS,
    gives=GIVES,
    answers={200: EntityOut},
    problems=PROBLEMS,
)
async def patch_entity(request: Request) -> Response:
    """Assert what is given, at one instant; a detail_value of null removes a detail. Nothing new appends nothing."""
    principal = await authorize(request, "write")
    uid = read_uid(request.path_params)
    body = await read_body(request, PatchEntity)
    body.check_uid(uid)
    command = Revise(
        display_name=given(body, "display_name", UNSET),
        entity_type=given(body, "entity_type", UNSET),
        details=details_of(body),
        **body.span(),
    )
    return await _execute(request, principal, uid, command, body.reason)


@operation(
    router,
    "PUT",
    PATH,
    summary="Replace an entity",
    tag="entities",
    scope="write",
    body=PutEntity,
    headers=HEADERS,
    gives=GIVES,
    answers={200: EntityOut},
    problems=PROBLEMS,
)
async def put_entity(request: Request) -> Response:
    """Assert the whole: details that are not listed end. What GET answered can be sent back, changed or not."""
    principal = await authorize(request, "write")
    uid = read_uid(request.path_params)
    body = await read_body(request, PutEntity)
    body.check_uid(uid)
    command = Replace(
        display_name=body.display_name,
        entity_type=body.entity_type,
        details=details_of(body),
        **body.span(),
    )
    return await _execute(request, principal, uid, command, body.reason)


@operation(
    router,
    "POST",
    PATH + "/reopen",
    summary="Bring a retired entity back",
    tag="entities",
    scope="write",
    body=ReopenEntity,
    body_optional=True,
    headers=HEADERS,
    gives=GIVES,
    answers={200: EntityOut},
    problems=PROBLEMS,
)
async def reopen_entity(request: Request) -> Response:
    """Let the entity exist again, with what it had unless other values are given."""
    principal = await authorize(request, "write")
    uid = read_uid(request.path_params)
    body = await read_body(request, ReopenEntity, optional=True)
    command = Reopen(
        display_name=given(body, "display_name", UNSET),
        entity_type=given(body, "entity_type", UNSET),
        details=details_of(body),
        **body.span(),
    )
    return await _execute(request, principal, uid, command, body.reason)


@operation(
    router,
    "DELETE",
    PATH,
    summary="Retire an entity",
    tag="entities",
    scope="write",
    query=DatedQuery,
    headers=HEADERS,
    gives=GIVES,
    answers={204: None},
    problems=PROBLEMS,
)
async def delete_entity(request: Request) -> Response:
    """Close its versions. Nothing is lost: as-of before that still answers, history and audit show it."""
    principal = await authorize(request, "write")
    uid = read_uid(request.path_params)
    query = read_query(request, DatedQuery)
    await read_body(request, Body, optional=True, query=DatedQuery)  # empty: what it said would be ignored
    command = Retire(**query.span())
    details = command_request(request, principal, command, status=204, reason=query.reason)
    outcome = await writing(request).handler.entity(uid, command, details)
    return await answer(request, outcome, None, status=204, etag=etag(outcome.state, outcome.now))


@operation(
    router,
    "POST",
    PATH + "/cancel",
    summary="Cancel an earlier event",
    tag="entities",
    scope="write",
    body=CancelEvent,
    headers=HEADERS,
    gives=GIVES,
    answers={200: EntityOut, 204: None},
    problems=PROBLEMS,
)
async def cancel_event(request: Request) -> Response:
    """Withdraw an earlier event as a whole: from here on it is as if it had never been; what was known stays known."""
    principal = await authorize(request, "write")
    uid = read_uid(request.path_params)
    body = await read_body(request, CancelEvent)
    return await _execute(request, principal, uid, Cancel(event_id=body.event_id), body.reason)


async def _execute(
    request: Request, principal: Principal, uid: UUID, command: Revise | Replace | Reopen | Cancel, reason: str | None
) -> Response:
    details = command_request(request, principal, command, status=200, reason=reason)
    return await _answer(request, command, await writing(request).handler.entity(uid, command, details))
