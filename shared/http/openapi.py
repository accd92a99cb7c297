"""What the OpenAPI document says beyond FastAPI's own: headers, problems, schemas, security, each written once."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec
from msgspec import UNSET, Struct, UnsetType
from pydantic.json_schema import models_json_schema

if TYPE_CHECKING:
    from fastapi import FastAPI
    from pydantic import BaseModel

    from shared.http.auth import Scope

REF = "#/components/schemas/{name}"
JSON = "application/json"
CSV = "text/csv"
NDJSON = "application/x-ndjson"
PROBLEM_JSON = "application/problem+json"

PROBLEMS = {
    400: "Something in the request is not valid; `errors` names the fields.",
    401: "No token, or not a valid one.",
    403: "The token lacks the scope.",
    404: "No such thing.",
    406: "No representation that the client accepts.",
    409: "The state of the entity is against it.",
    412: "If-Match names another version than the current one; `ETag` is the current one.",
    413: "The body is too large.",
    415: "The body is of another content type than those listed.",
    422: "The Idempotency-Key was used before with another request.",
    428: "If-Match is required here.",
    429: "Too many failed attempts.",
    503: "Try again after `Retry-After` seconds.",
}
PROBLEM_HEADERS = {401: "WWW-Authenticate", 404: "Warning", 412: "ETag", 429: "Retry-After", 503: "Retry-After"}

TEXT = {"type": "string"}
WHOLE = {"type": "integer", "minimum": 0}
RESPONSE_HEADERS: dict[str, tuple[str, dict[str, Any]]] = {
    "X-Request-Id": ("The id of this request: the one that came with it where that is sane.", TEXT),
    "ETag": (
        "Names this representation, for If-Match and If-None-Match; CSV has none.",
        {**TEXT, "pattern": '^"[^"]+"$'},
    ),
    "Position": ("The position in the log that the answer reflects.", WHOLE),
    "As-Of": ("The instant of valid time that the answer is about.", {**TEXT, "format": "date-time"}),
    "Location": ("Where the resource is.", {**TEXT, "format": "uri-reference"}),
    "Event-Id": ("The event that was appended; absent where nothing changed.", {**TEXT, "format": "uuid"}),
    "Idempotent-Replayed": ("The command was executed before: this is its answer again.", {**TEXT, "const": "true"}),
    "Preference-Applied": ("The wait that Prefer asked for, once the read model had the position.", TEXT),
    "Warning": ("199: events of what is asked about are parked: they cannot be folded, and are missing here.", TEXT),
    "Retry-After": ("After how many seconds another attempt makes sense.", WHOLE),
    "WWW-Authenticate": ("The scheme to authenticate with.", TEXT),
}
OPTIONAL_HEADERS = {"ETag", "Event-Id", "Idempotent-Replayed", "Preference-Applied", "Warning"}
"""Those that an answer has only where they apply; it always has the others that are documented for it."""

REQUEST_HEADERS: dict[str, tuple[str, dict[str, Any]]] = {
    "Idempotency-Key": (
        "A key that the client makes: the same command again has the first answer again.",
        {**TEXT, "minLength": 1, "maxLength": 255, "pattern": "^[!-~]([ -~]*[!-~])?$"},
    ),
    "If-Match": ("ETags: the change is made only where one of them is the current one; * where any is.", TEXT),
    "If-None-Match": ("ETags that the client holds: where one is the current one, the answer is 304.", TEXT),
    "Last-Event-ID": (
        "The last position that the client has: the stream goes on after it. It counts before `after`.",
        {**TEXT, "pattern": "^[0-9]{1,19}$"},
    ),
    "Prefer": ("wait=N: answer when the read model has the change, at most N seconds later.", TEXT),
}
TAGS = {
    "entities": "What there is: people, institutions, with their details.",
    "time": "What there was at an instant, and what changed between two.",
    "feed": "What happened, event by event, for systems that follow along.",
    "audit": "Who changed what.",
    "types": "The types that entities and details may have.",
    "parked": "What cannot be folded, and what to do about it.",
    "projections": "The tables that follow from the log, and how they are made anew.",
    "auth": "Tokens.",
    "health": "How the service is.",
}
SECURITY_SCHEMES = {
    "token": {"type": "apiKey", "in": "header", "name": "Authorization", "description": "Token <token>"},
    "bearer": {"type": "http", "scheme": "bearer", "description": "The same token, after the word Bearer."},
}
PATH_PARAMETERS: dict[str, dict[str, Any]] = {
    "entity_uid": {"schema": {**TEXT, "format": "uuid"}, "description": "The entity."},
    "code": {"schema": TEXT, "description": "The code of the type."},
    "position": {"schema": WHOLE, "description": "The position of the event in the log."},
    "name": {"schema": {**TEXT, "pattern": "^read_model$"}, "description": "The projection."},
}


class ProblemField(Struct):
    """One thing that is wrong with one field: its name, a sentence, and a code for programs."""

    field: str
    message: str
    code: str


class Problem(Struct):
    """RFC 9457: what went wrong. Beside these stand the original's members: each field's name with its messages.

    A retired entity's problem says since when, and links its history and the resource that brings it back; that of one
    that is parked names the event that cannot be folded.
    """

    type: str
    title: str
    status: int
    detail: str
    instance: str
    request_id: str | None
    code: str
    errors: list[ProblemField] | UnsetType = UNSET
    retired_since: str | UnsetType = UNSET
    history: str | UnsetType = UNSET
    reopen: str | UnsetType = UNSET
    parked_position: int | UnsetType = UNSET


class Documented:
    """The schemas that operations refer to, gathered while they are declared."""

    models: ClassVar[dict[str, type[BaseModel]]] = {}
    structs: ClassVar[dict[str, Any]] = {}


def parameters(path: str, query: type[BaseModel] | None, headers: Iterable[str]) -> list[dict[str, Any]]:
    """Return the parameters of an operation: those of its path, its query string, its headers."""
    return [
        *({"name": name, "in": "path", "required": True, **PATH_PARAMETERS[name]} for name in in_path(path)),
        *_query_parameters(query),
        *map(_header_parameter, headers),
    ]


def in_path(path: str) -> list[str]:
    """Return the names of the parameters in a path."""
    return re.findall(r"{(\w+)}", path)


def _query_parameters(query: type[BaseModel] | None) -> list[dict[str, Any]]:
    if query is None:
        return []
    schema = query.model_json_schema()
    required = schema.get("required", [])
    found = []
    for name, part in schema["properties"].items():
        parameter = {"name": name, "in": "query", "required": name in required, "schema": _without_null(part)}
        if not parameter["required"]:
            parameter["allowEmptyValue"] = True  # and counts as absent
        if "description" in part:
            parameter["description"] = parameter["schema"].pop("description")
        found.append(parameter)
    return found


def _without_null(schema: dict[str, Any]) -> dict[str, Any]:
    """A query parameter cannot be null, only absent."""
    options = [option for option in schema.get("anyOf", ()) if option != {"type": "null"}]
    nullable = len(options) < len(schema.get("anyOf", ()))
    dropped = {"title", *({"anyOf", "default"} if nullable else ())}
    rest = {key: value for key, value in schema.items() if key not in dropped}
    if not nullable:
        return rest
    return rest | (options[0] if len(options) == 1 else {"anyOf": options})


def _header_parameter(name: str) -> dict[str, Any]:
    description, schema = REQUEST_HEADERS[name]
    return {"name": name, "in": "header", "required": False, "description": description, "schema": schema}


def request_body(model: type[BaseModel], media_types: Iterable[str], *, optional: bool) -> dict[str, Any]:
    """Return how a body is documented, the same in each of its content types."""
    Documented.models[model.__name__] = model
    schema = {"$ref": REF.format(name=model.__name__)}
    return {"required": not optional, "content": {media_type: {"schema": schema} for media_type in media_types}}


def answer(shape: Any, description: str, gives: Iterable[str], media: Iterable[str]) -> dict[str, Any]:  # noqa: ANN401  # any type that msgspec knows
    """Return how an answer is documented: its msgspec type (None for no body), its headers, and as what it comes."""
    found: dict[str, Any] = {"description": description, "headers": _headers(["X-Request-Id", *gives])}
    if shape is not None:
        (schema,), _ = msgspec.json.schema_components([shape], ref_template=REF)
        Documented.structs[repr(shape)] = shape
        found["content"] = {name: {"schema": TEXT if name == CSV else schema} for name in media}
    return found


def problems(statuses: Iterable[int]) -> dict[str, Any]:
    """Return the problems that an operation answers with."""
    return {str(status): {"$ref": f"#/components/responses/Problem{status}"} for status in sorted(statuses)}


def _problem(status: int) -> dict[str, Any]:
    own = [PROBLEM_HEADERS[status]] if status in PROBLEM_HEADERS else []
    return {
        "description": PROBLEMS[status],
        "headers": _headers(["X-Request-Id", *own]),
        "content": {PROBLEM_JSON: {"schema": {"$ref": REF.format(name="Problem")}}},
    }


def _headers(names: Iterable[str]) -> dict[str, Any]:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def _header(name: str) -> dict[str, Any]:
    description, schema = RESPONSE_HEADERS[name]
    return {"description": description, "required": name not in OPTIONAL_HEADERS, "schema": schema}


def security(scope: Scope, *, anonymous: bool) -> list[dict[str, list[str]]]:
    """Return what opens an operation: a token with the scope in either scheme, or nothing at all."""
    ways: list[dict[str, list[str]]] = [{name: [scope]} for name in SECURITY_SCHEMES]
    return [*ways, {}] if anonymous else ways


def document(app: FastAPI) -> None:
    """Complete the OpenAPI document of the app with what its operations refer to."""
    plain = app.openapi

    def openapi() -> Mapping[str, Any]:
        if app.openapi_schema is None:
            spec = plain()
            _, structs = msgspec.json.schema_components([*Documented.structs.values(), Problem], ref_template=REF)
            _, models = models_json_schema(
                [(model, "validation") for model in Documented.models.values()],
                ref_template="#/components/schemas/{model}",
            )
            spec["tags"] = [{"name": name, "description": told} for name, told in TAGS.items()]
            spec["components"] = {
                "schemas": dict(sorted({**structs, **models.get("$defs", {})}.items())),
                "responses": {f"Problem{status}": _problem(status) for status in PROBLEMS},
                "headers": {name: _header(name) for name in RESPONSE_HEADERS},
                "securitySchemes": SECURITY_SCHEMES,
            }
        return app.openapi_schema or {}

    app.openapi = openapi  # type: ignore[method-assign,assignment]  # the way FastAPI documents for extending it
