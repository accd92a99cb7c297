"""How a resource is declared: an endpoint takes the request and returns the response, and the declaration documents it.

FastAPI keeps the document and the routing; its per-request machinery (dependency solving, response models: the largest
cost of a request) is left out of the way, since endpoints read their own query and body (`requests.py`).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Sequence
from functools import wraps
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from shared.http import openapi
from shared.http.accept import takes
from shared.http.auth import Scope
from shared.http.query_strings import pairs

Endpoint = Callable[[Request], Awaitable[Response]]
READ_PROBLEMS = (400, 401, 403, 406, 503)
WRITE_PROBLEMS = (400, 401, 403, 406, 413, 415, 422, 503)
READ_HEADERS = ("ETag", "Position", "As-Of", "Warning")
"""What every answer of the read side has, the last one where it applies."""
WRITE_HEADERS = ("Position", "Event-Id", "Idempotent-Replayed", "Preference-Applied")
"""What every answer to a command has, the last three where they apply."""


class BareRoute(APIRoute):
    """A documented route whose endpoint is called as it is."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the endpoint itself."""
        handler: Callable[[Request], Coroutine[Any, Any, Response]] = self.endpoint
        return handler


def negotiated(endpoint: Endpoint, media: Sequence[str]) -> Endpoint:
    """Return the endpoint for clients that take one of these media types: `request.state.media` says which to answer.

    Where there are several, the parameter `format` names one by its subtype, whatever Accept says. Who takes none of
    them gets 406.
    """
    media, several = tuple(media), len(media) > 1

    @wraps(endpoint)
    async def handle(request: Request) -> Response:
        scope, named = request.scope, None
        if several and scope["query_string"]:
            asked = dict(pairs(scope["query_string"])).get("format")
            named = next((name for name in media if asked == name.partition("/")[2]), None)
        accept = [value for name, value in scope["headers"] if name == b"accept"]
        chosen = named or takes(b",".join(accept).decode("latin-1") or None if accept else None, media)
        if chosen is None:
            raise HTTPException(406, f"What is here is {' or '.join(media)}.")
        scope.setdefault("state", {})["media"] = chosen
        response = await endpoint(request)
        if several:
            response.raw_headers.append((b"vary", b"Accept"))
        return response

    return handle


def operation(
    router: APIRouter,
    method: str,
    path: str,
    *,
    summary: str,
    tag: str,
    scope: Scope | None,
    anonymous: bool = False,
    query: type[BaseModel] | None = None,
    body: type[BaseModel] | None = None,
    body_types: Sequence[str] = (openapi.JSON,),
    body_optional: bool = False,
    headers: Sequence[str] = (),
    answers: dict[int, Any],
    media: Sequence[str] = (openapi.JSON,),
    gives: Sequence[str] = (),
    problems: Sequence[int] = READ_PROBLEMS,
) -> Callable[[Endpoint], Endpoint]:
    """Declare an endpoint: `answers` gives the msgspec type (or None for no body) by status; a GET answers HEAD too.

    `anonymous`: where reads are public, no token is needed. `headers` names those of its requests, `gives` those of its
    answers. `media` is what it can answer with, the first where a client has no preference: see `negotiated`.
    """
    told = {200: "The answer.", 201: "Made.", 202: "Asked for.", 204: "Done.", 304: "Held already.", 503: "Not well."}
    extra: dict[str, Any] = {
        "parameters": openapi.parameters(path, query, headers),
        "responses": {
            **{str(status): openapi.answer(shape, told[status], gives, media) for status, shape in answers.items()},
            **openapi.problems(problems),
        },
    }
    if scope is not None:
        extra["security"] = openapi.security(scope, anonymous=anonymous)
    if body is not None:
        extra["requestBody"] = openapi.request_body(body, body_types, optional=body_optional)

    def declare(endpoint: Endpoint) -> Endpoint:
        handler = negotiated(endpoint, media)
        router.add_api_route(
            path,
            handler,
            methods=[method],
            summary=summary,
            description=(endpoint.__doc__ or "").strip(),
            tags=[tag],
            operation_id=getattr(endpoint, "__name__", None),
            openapi_extra=extra,
            response_model=None,
            status_code=min(answers),
            response_class=Response,
            route_class_override=BareRoute,
        )
        if method == "GET":
            router.add_api_route(
                path,
                handler,
                methods=["HEAD"],
                include_in_schema=False,
                response_model=None,
                route_class_override=BareRoute,
            )
        return endpoint

    return declare
