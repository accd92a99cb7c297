"""How a resource is declared: an endpoint takes the request and returns the response, and the declaration documents it.

FastAPI keeps the document and the routing; its per-request machinery (dependency solving, response models: the largest
cost of a request) is left out of the way, since endpoints read their own query and body (`requests.py`).
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, ClassVar

import msgspec
from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.routing import APIRoute
from msgspec import Struct
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema
from starlette.exceptions import HTTPException

from shared.http.accept import takes_json
from shared.http.auth import Scope

Endpoint = Callable[[Request], Awaitable[Response]]
REF = "#/components/schemas/{name}"
PROBLEMS = {
    400: "Something in the request is not valid; `errors` names the fields.",
    401: "No token, or not a valid one.",
    403: "The token lacks the scope.",
    404: "No such thing.",
    406: "No representation that the client accepts.",
    409: "The state of the entity is against it.",
    412: "If-Match names another version than the current one; `ETag` is the current one.",
    413: "The body is too large.",
    415: "The body is not JSON.",
    422: "The Idempotency-Key was used before with another request.",
    428: "If-Match is required here.",
    429: "Too many failed attempts.",
    503: "Try again after `Retry-After` seconds.",
}
READ_PROBLEMS = (400, 401, 403, 406, 503)
WRITE_PROBLEMS = (400, 401, 403, 406, 409, 412, 413, 415, 422, 428, 503)


class Problem(Struct):
    """RFC 9457: what went wrong. The original's field members stand beside these."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    request_id: str | None
    code: str
    errors: list[dict[str, str]] | None = None


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


class Documented:
    """The schemas that operations refer to, gathered while they are declared."""

    models: ClassVar[dict[str, type[BaseModel]]] = {}
    structs: ClassVar[dict[str, Any]] = {}


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
    headers: Sequence[str] = (),
    answers: dict[int, Any],
    problems: Sequence[int] = READ_PROBLEMS,
) -> Callable[[Endpoint], Endpoint]:
    """Declare an endpoint: `answers` gives the msgspec type (or None for no body) by status; a GET answers HEAD too.

    `anonymous`: where reads are public, no token is needed.
    """
    extra: dict[str, Any] = {
        "parameters": [*_path_parameters(path), *_query_parameters(query), *map(_header_parameter, headers)],
        "responses": {
            **{str(status): _answer(shape) for status, shape in answers.items()},
            **{str(status): _problem(status) for status in sorted(problems)},
        },
    }
    if body is not None:
        Documented.models[body.__name__] = body
        schema = {"$ref": REF.format(name=body.__name__)}
        extra["requestBody"] = {"required": True, "content": {"application/json": {"schema": schema}}}
    if scope is not None:
        extra["security"] = [{"token": [scope]}, *([{}] if anonymous else [])]

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


def _path_parameters(path: str) -> list[dict[str, Any]]:
    formats = {"entity_uid": {"type": "string", "format": "uuid"}}
    return [
        {"name": name, "in": "path", "required": True, "schema": formats.get(name, {"type": "string"})}
        for name in re.findall(r"{(\w+)}", path)
    ]


def _query_parameters(query: type[BaseModel] | None) -> list[dict[str, Any]]:
    if query is None:
        return []
    schema = query.model_json_schema()
    required = schema.get("required", [])
    return [
        {"name": name, "in": "query", "required": name in required, "schema": _without_null(part)}
        for name, part in schema["properties"].items()
    ]


def _without_null(schema: dict[str, Any]) -> dict[str, Any]:
    """A query parameter cannot be null, only absent."""
    options = [option for option in schema.get("anyOf", ()) if option != {"type": "null"}]
    rest = {key: value for key, value in schema.items() if key not in {"anyOf", "default", "title"}}
    return rest | options[0] if len(options) == 1 else schema


def _header_parameter(name: str) -> dict[str, Any]:
    return {"name": name, "in": "header", "required": False, "schema": {"type": "string"}}


def _answer(shape: Any) -> dict[str, Any]:  # noqa: ANN401  # any type that msgspec knows
    if shape is None:
        return {"description": "Done."}
    (schema,), _ = msgspec.json.schema_components([shape], ref_template=REF)
    Documented.structs[repr(shape)] = shape
    return {"description": "The answer.", "content": {"application/json": {"schema": schema}}}


def _problem(status: int) -> dict[str, Any]:
    schema = {"$ref": REF.format(name="Problem")}
    return {"description": PROBLEMS[status], "content": {"application/problem+json": {"schema": schema}}}


def document(app: FastAPI) -> None:
    """Complete the OpenAPI document of the app with the schemas and the security scheme of its operations."""
    plain = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            spec = plain()
            _, structs = msgspec.json.schema_components([*Documented.structs.values(), Problem], ref_template=REF)
            _, models = models_json_schema(
                [(model, "validation") for model in Documented.models.values()],
                ref_template="#/components/schemas/{model}",
            )
            components = spec.setdefault("components", {})
            components["schemas"] = dict(sorted({**structs, **models.get("$defs", {})}.items()))
            components["securitySchemes"] = {
                "token": {"type": "apiKey", "in": "header", "name": "Authorization", "description": "Token <token>"}
            }
        return app.openapi_schema or {}

    app.openapi = openapi  # type: ignore[method-assign]  # the way FastAPI documents for extending it
