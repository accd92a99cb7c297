"""Errors as clients see them: RFC 9457 problem+json, with the original's field members beside it. One handler."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import structlog
from fastapi import FastAPI, Request, Response
from msgspec import UNSET
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.routing import BaseRoute, Match

from shared.core import errors
from shared.http.openapi import Problem, ProblemField
from shared.http.shapes import encode
from shared.http.warning import warning

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

STATUS: dict[type[errors.CockpitError], int] = {
    errors.Invalid: 400,
    errors.Unauthenticated: 401,
    errors.Forbidden: 403,
    errors.Unknown: 404,
    errors.UnknownThen: 404,
    errors.Retired: 409,
    errors.NotYet: 409,
    errors.AlreadyOpen: 409,
    errors.AlreadyRegistered: 409,
    errors.AlreadyClaimed: 409,
    errors.AlreadyCancelled: 409,
    errors.GivesExistence: 409,
    errors.Nameless: 409,
    errors.EntityParked: 409,
    errors.KeyParked: 409,
    errors.CanBeFolded: 409,
    errors.BehindParked: 409,
    errors.NotSkippable: 409,
    errors.UnderWay: 409,
    errors.PreconditionFailed: 412,
    errors.KeyReused: 422,
    errors.PreconditionRequired: 428,
    errors.TooManyAttempts: 429,
    errors.Contended: 503,
    errors.Unavailable: 503,
}
"""Which status an error of the domain has. What is not here is a fault of ours: 500."""

OWN_MEMBERS = {
    "type",
    "title",
    "status",
    "detail",
    "instance",
    "request_id",
    "errors",
    "code",
    "retired_since",
    "history",
    "reopen",
    "parked_position",
}

log = structlog.get_logger()


def problem(
    request: Request,
    status: int,
    detail: str,
    *,
    code: str,
    fields: list[errors.FieldError] | None = None,
    headers: Mapping[str, str] | None = None,
    more: Mapping[str, Any] | None = None,
) -> Response:
    """Return a problem as an HTTP response; `more` are members of its own."""
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "instance": request.url.path,
        "request_id": request.scope.get("state", {}).get("request_id"),
        "code": code,
    }
    if fields is not None:
        body["errors"] = [error._asdict() for error in fields]
        for error in fields:
            if error.field not in OWN_MEMBERS:
                body.setdefault(error.field, []).append(error.message)
    body |= more or {}
    return Response(encode(body), status, dict(headers or {}), media_type="application/problem+json")


def of_domain(
    error: errors.CockpitError, method: str
) -> tuple[int, dict[str, str], list[errors.FieldError] | None, dict[str, Any]]:
    """Return the status, headers, fields and members of its own that an error has in an answer to a method."""
    status = STATUS[type(error)]
    headers = warning(error.warning)
    more: dict[str, Any] = {}
    fields = error.errors if isinstance(error, errors.Invalid) else None
    match error:
        case errors.Unauthenticated():
            headers["WWW-Authenticate"] = "Token"
        case errors.PreconditionFailed(etag=etag):
            headers["ETag"] = etag
        case errors.TooManyAttempts(retry_after=seconds) | errors.Unavailable(retry_after=seconds):
            headers["Retry-After"] = str(seconds)
        case errors.Contended():
            headers["Retry-After"] = "1"
        case errors.Retired(entity_uid=uid, since=since):
            base = f"/api/v1/entities/{uid}"
            more = {"retired_since": since, "history": f"{base}/history", "reopen": f"{base}/reopen"}
            status = 404 if method in {"GET", "HEAD", "DELETE"} else status
        case errors.EntityParked(position=position) | errors.KeyParked(position=position):
            more = {"parked_position": position}
        case errors.NotYet(entity_uid=uid):
            more = {"history": f"/api/v1/entities/{uid}/history"}
            status = 404 if method in {"GET", "HEAD"} else status
        case _:
            pass
    return status, headers, fields, more


def from_domain(request: Request, error: errors.CockpitError) -> Response:
    """Return the response that an error of the domain stands for."""
    status, headers, fields, more = of_domain(error, request.method)
    return problem(request, status, str(error), code=error.code, fields=fields, headers=headers, more=more)


def within(request: Request, error: errors.CockpitError) -> Problem:
    """Return the problem that an error of the domain is within an answer about more than that; 500 for a fault."""
    status, _, fields, more = of_domain(error, request.method) if type(error) in STATUS else (500, {}, None, {})
    return Problem(
        type="about:blank",
        title=HTTPStatus(status).phrase,
        status=status,
        detail=str(error),
        instance=request.url.path,
        request_id=request.state.request_id,
        code=error.code,
        errors=UNSET if fields is None else [ProblemField(*field) for field in fields],
        **more,
    )


def allowed_methods(routes: Sequence[BaseRoute], request: Request) -> list[str]:
    """Return every method that the path of the request answers, over all of these routes."""
    return [
        method
        for method in ("DELETE", "GET", "HEAD", "PATCH", "POST", "PUT")
        if any(route.matches({**request.scope, "method": method})[0] is Match.FULL for route in routes)
    ] + ["OPTIONS"]


def of_http(request: Request, error: HTTPException) -> Response:
    """Return the response that an error of HTTP's own stands for."""
    headers = dict(error.headers or {})
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        headers = {"Allow": ", ".join(allowed_methods(request.app.routes, request))}
        if request.method == "OPTIONS":
            return Response(status_code=204, headers=headers)
    detail = {
        404: "Nothing is here: unknown path.",
        405: f"This resource does not answer {request.method}.",
    }.get(error.status_code, str(error.detail))
    code = HTTPStatus(error.status_code).phrase.lower().replace(" ", "_")
    return problem(request, error.status_code, detail, code=code, headers=headers)


def answer(request: Request, error: Exception) -> Response:
    """Return the response to a request that raised an error; a fault of ours is logged."""
    if isinstance(error, errors.CockpitError) and type(error) in STATUS:
        return from_domain(request, error)
    if isinstance(error, HTTPException):
        return of_http(request, error)
    if isinstance(error, ClientDisconnect):  # nobody is there to read it
        return problem(request, 400, "The body ended before its time.", code="incomplete")
    log.error("fault", path=request.scope["path"], request_id=request.state.request_id, exc_info=error)
    detail = "Something went wrong here; the request id finds it in the log."
    return problem(request, 500, detail, code="fault")


def install(app: FastAPI) -> None:
    """Make every error of the app a problem, where the framework serves it too."""

    async def on_error(request: Request, error: Exception) -> Response:
        return answer(request, error)

    for cls in (ClientDisconnect, HTTPException, *STATUS):
        app.add_exception_handler(cls, on_error)
    app.add_middleware(Faults)


class Faults:
    """The innermost ASGI middleware: a fault of ours is logged, and answered inside what adds headers to answers."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; an answer that has begun cannot be changed any more."""
        begun = False

        async def watch(message: Message) -> None:
            nonlocal begun
            begun = begun or message["type"] == "http.response.start"
            await send(message)

        try:
            await self.app(scope, receive, watch)
        except Exception as error:
            if scope["type"] != "http" or begun:
                raise
            await answer(Request(scope), error)(scope, receive, send)
