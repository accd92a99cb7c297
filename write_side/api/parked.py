"""What is parked, the writing half: an event is skipped, or asked to be folded again; for administrators."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter, Request, Response
from msgspec import Struct

from shared.http.auth import authorize
from shared.http.requests import Body, read_body, read_position
from shared.http.routes import WRITE_HEADERS, WRITE_PROBLEMS, operation
from shared.http.shapes import encode
from write_side.api.bodies import SkipEvent
from write_side.api.commands import answer, command_request, refuse_if_match, writing

router = APIRouter()
PATH = "/parked/{position}"


class SkippedOut(Struct):
    """Which event of which entity is left out, why, and the event that says so."""

    position: int
    entity_uid: UUID
    event_id: UUID
    skipped_by: UUID
    reason: str | None


class AskedOut(Struct):
    """What was asked to be folded again, and where to see whether it could be: what still is parked could not."""

    position: int
    href: str


@operation(
    router,
    "POST",
    PATH + "/skip",
    summary="Skip a parked event",
    tag="parked",
    scope="admin",
    body=SkipEvent,
    headers=("Idempotency-Key", "Prefer"),
    gives=WRITE_HEADERS,
    answers={200: SkippedOut},
    problems=(*WRITE_PROBLEMS, 404, 409),
)
async def skip_event(request: Request) -> Response:
    """Leave an event of an entity that cannot be folded out, for good; what is behind it is folded then.

    Only the first of its stream can be skipped, and only where this release cannot fold it. Again, the answer is the
    same.
    """
    principal = await authorize(request, "admin")
    refuse_if_match(request)
    position = read_position(request.path_params)
    body = await read_body(request, SkipEvent)
    details = command_request(request, principal, {"position": position}, status=200, reason=body.reason)
    outcome = await writing(request).skipper.skip(position, details)
    shape = SkippedOut(
        position=position,
        entity_uid=outcome.entity_uid,
        event_id=outcome.skipped_event_id,
        skipped_by=outcome.event_id,
        reason=outcome.reason,
    )
    return await answer(request, outcome, shape, status=200)


@operation(
    router,
    "POST",
    PATH + "/retry",
    summary="Retry a parked event",
    tag="parked",
    scope="admin",
    answers={202: AskedOut},
    problems=(400, 401, 403, 404, 406, 413, 415, 503),
)
async def retry_event(request: Request) -> Response:
    """Ask the projector to fold the stream of a parked event again, as after an update of it.

    Nothing is promised: the projector that leads hears it, and takes the stream up when it can. Whether it could be
    folded is seen at the address in the answer: while it is still there, it can be asked for again.
    """
    await authorize(request, "admin")
    refuse_if_match(request)
    position = read_position(request.path_params)
    await read_body(request, Body, optional=True)
    await writing(request).skipper.ask_to_retry(position)
    href = request.url.path.rstrip("/").removesuffix("/retry")
    return Response(encode(AskedOut(position, href)), 202, media_type="application/json")
