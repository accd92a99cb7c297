"""How a resource is declared: an endpoint takes the request and returns the response, and the declaration documents it.

FastAPI keeps the document and the routing; its per-request machinery (dependency solving, response models: the largest
cost of a request) is left out of the way, since endpoints read their own query and body (`requests.py`).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from shared.http import openapi
from shared.http.accept import takes_json
from shared.http.auth import Scope

Endpoint = Callable[[Request], Awaitable[Response]]
READ_PROBLEMS = (400, 401, 403, 406, 503)
WRITE_PROBLEMS = (400, 401, 403, 406, 413, 415, 422, 503)
READ_HEADERS = ("ETag", "Position", "As-Of")
"""What every answer of the read side has."""
WRITE_HEADERS = ("Position", "Event-Id", "Idempotent-Replayed", "Preference-Applied")
"""What every answer to a command has, the last three where they apply."""


class BareRoute(APIRoute):
    """A documented route whose endpoint is called as it is, for clients that take JSON."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the endpoint itself, behind a look at Accept."""

        async def handle(request: Request) -> Response:
            if not takes_json(",".join(request.headers.getlist("accept")) or None):
                raise HTTPException(406, "What is here is application/json.")
            response: Response = await self.endpoint(request)
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
    gives: Sequence[str] = (),
    problems: Sequence[int] = READ_PROBLEMS,
) -> Callable[[Endpoint], Endpoint]:
    """Declare an endpoint: `answers` gives the msgspec type (or None for no body) by status; a GET answers HEAD too.

    `anonymous`: where reads are public, no token is needed. `headers` names those of its requests, `gives` those of its
    answers. What answers JSON refuses a client that does not accept JSON with 406.
    """
    told = {
        200: "The answer.",
        201: "Made.",
        202: "Taken on.",
        204: "Done.",
        304: "The client holds it already.",
        503: "Not well.",
    }
    extra: dict[str, Any] = {
        "parameters": openapi.parameters(path, query, headers),
        "responses": {
            **{str(status): openapi.answer(shape, told[status], gives) for status, shape in answers.items()},
            **openapi.problems(problems),
        },
    }
    if scope is not None:
        extra["security"] = openapi.security(scope, anonymous=anonymous)
    if body is not None:
        extra["requestBody"] = openapi.request_body(body, body_types, optional=body_optional)

    def declare(endpoint: Endpoint) -> Endpoint:
        router.add_api_route(
            path,
            endpoint,
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
                endpoint,
                methods=["HEAD"],
                include_in_schema=False,
                response_model=None,
                route_class_override=BareRoute,
            )
        return endpoint

    return declare
