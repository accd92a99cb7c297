"""What a request says, checked: its query, its body, its headers. Nothing unknown is ignored; errors name the field."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Collection
from difflib import get_close_matches
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Annotated, Any, TypeVar
from uuid import UUID

from msgspec import DecodeError, Struct, convert
from msgspec.json import decode, encode
from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler, GetJsonSchemaHandler, ValidationError
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from shared.core.errors import FieldError, Invalid, Unknown, invalid
from shared.http.headers import header
from shared.http.query_strings import KEPT, KEPT_BYTES, pairs

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request

Model = TypeVar("Model", bound=BaseModel)

MOST_ERRORS = 100
"""How many wrong fields one answer names."""

_UID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
LAST_POSITION = 2**63 - 1
DIGITS = 19

TOO_SHORT = {"string_too_short", "too_short"}
TOO_LONG = {"string_too_long", "too_long"}
"""What pydantic calls the length of a string, whether it counts characters itself or items of what a validator left."""


class Written(Struct, frozen=True):
    """A trimmed string that PostgreSQL can hold, of so many characters.

    It is checked where pydantic reads it: a validator of our own, or a length beside one, would be a call a string.
    """

    at_least: int | None = None
    at_most: int | None = None

    def __get_pydantic_core_schema__(self, _source: object, _handler: GetCoreSchemaHandler) -> CoreSchema:
        """Trim, then look for NUL, then count."""
        has_none = core_schema.str_schema(pattern=r"^[^\x00]*$")
        nul = {"error": "NUL characters cannot be stored."}
        steps: list[CoreSchema] = [
            core_schema.str_schema(strip_whitespace=True),
            core_schema.custom_error_schema(has_none, custom_error_type="value_error", custom_error_context=nul),
        ]
        if self.at_least is not None or self.at_most is not None:
            steps.append(core_schema.str_schema(min_length=self.at_least, max_length=self.at_most))
        return core_schema.chain_schema(steps)

    def __get_pydantic_json_schema__(self, _schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Document the length."""
        return handler(core_schema.str_schema(min_length=self.at_least, max_length=self.at_most))


Text = Annotated[str, Written()]


class Body(BaseModel):
    """The base of all request bodies: unknown members are refused, no type is coerced into another."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Query(BaseModel):
    """The base of all query strings: unknown parameters are refused, empty ones count as absent."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def field_errors(error: ValidationError, names: Collection[str] = ()) -> list[FieldError]:
    """Return what a model found wrong, one entry a field, in our words where pydantic's are for programmers.

    Where an unknown field is called almost as one of these `names`, it is said as which.
    """
    found = []
    for item in error.errors(include_url=False, include_context=True, include_input=False)[:MOST_ERRORS]:
        place = [str(part) for part in item["loc"]]
        name = ".".join(place) or "non_field_errors"
        code = item["type"]
        if code == "extra_forbidden":
            meant = "".join(f" Is {near} meant?" for near in get_close_matches(name[:50], names, 1))
            found.append(FieldError(name, f"Unknown field.{meant}", "unknown"))
        elif code == "missing":
            found.append(FieldError(name, "This field is required.", "required"))
        elif code in TOO_SHORT:
            found.append(FieldError(name, "This field may not be blank.", "blank"))
        elif code in TOO_LONG:
            most = item.get("ctx", {}).get("max_length")
            found.append(FieldError(name, f"Ensure this field has no more than {most} characters.", "too_long"))
        else:
            found.append(FieldError(name, item["msg"].removeprefix("Value error, "), code))
    return found


async def read_body(
    request: Request, model: type[Model], *, optional: bool = False, query: type[BaseModel] = Query
) -> Model:
    """Return the JSON body as the model has it; call it after the caller was checked.

    Raises 415 for another content type, 413 beyond the limit (the `max_body_bytes` of the app's state), Invalid for
    all that is wrong inside, and for a query string that holds what `query` does not know: nothing, unless it is given.
    An `optional` body may be missing altogether, with or without a content type.
    """
    read_query(request, query)
    raw = await read_bytes(request)
    if not raw and optional:
        raw = b"{}"
    elif (header(request, b"content-type") or "").partition(";")[0].strip().lower() != "application/json":
        raise HTTPException(415, "The body must be application/json.")
    return parse_json(model, raw)


def parse_json(model: type[Model], raw: bytes) -> Model:
    """Return what JSON says, as the model has it. Raises Invalid for all that is wrong with it."""
    try:
        body: Model = model.__pydantic_validator__.validate_json(raw)  # model_validate_json takes half as long again
        if not _is_plain(raw):
            json.loads(raw, object_pairs_hook=_members, parse_constant=_no_number, parse_int=str)
    except _Malformed as error:
        raise invalid("non_field_errors", f"Malformed JSON: {error}", "malformed_json") from None
    except UnicodeDecodeError:
        raise invalid("non_field_errors", "Malformed JSON: not UTF-8.", "malformed_json") from None
    except ValidationError as error:
        found = field_errors(error)
        if any(item.code == "json_invalid" for item in found):
            told = found[0].message
            if b"\n" not in raw:  # of a batch it may be any line
                told = told.replace(" at line 1 column ", " at column ")
            raise invalid("non_field_errors", f"Malformed JSON: {told}", "malformed_json") from None
        raise Invalid(found) from None
    return body


def _is_plain(raw: bytes) -> bool:
    """Say whether JSON names every member once, and has what JSON has and no more: True where that is easily told.

    Outside of strings a colon stands after the name of a member and nowhere else. So where no string spells one as an
    escape, as many are left of those that were read as there were, unless a member was lost to another of its name.
    """
    try:
        return rb"\u003" not in raw and raw.count(b":") == encode(decode(raw)).count(b":")
    except DecodeError:
        return False


class _Malformed(Exception):
    """What the model's own parser lets pass, and RFC 8259 does not."""


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Take the members of an object, each name once: of two values one would be ignored."""
    members = dict(pairs)
    if len(members) < len(pairs):
        times = Counter(name for name, _ in pairs)
        raise invalid(next(name for name in members if times[name] > 1), "Given more than once.", "repeated")
    return members


def _no_number(name: str) -> float:
    raise _Malformed(f"{name} is not a number that JSON has.")


def refuse_compressed(request: Request) -> None:
    """Raise 415 for a body that is compressed."""
    if (header(request, b"content-encoding") or "").strip().lower() not in {"", "identity"}:
        raise HTTPException(415, "The body must not be compressed.", {"Accept-Encoding": "identity"})


async def read_bytes(request: Request) -> bytes:
    """Return the raw body, refusing it with 413 where it is, or is said to be, over the limit; with 415 compressed."""
    refuse_compressed(request)
    limit: int = request.app.state.max_body_bytes
    chunks: list[bytes] = []
    size, goes_on = 0, True
    announced = header(request, b"content-length") or ""
    if announced.isdecimal() and int(announced) > limit:
        raise HTTPException(413, f"The body is over {limit} bytes.")
    while goes_on:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        chunk, goes_on = message.get("body", b""), message.get("more_body", False)
        size += len(chunk)
        if size > limit:
            raise HTTPException(413, f"The body is over {limit} bytes.")
        chunks.append(chunk)
    request.scope.setdefault("state", {})["body_bytes"] = size
    return b"".join(chunks)


def read_query(request: Request, model: type[Model]) -> Model:
    """Return the query string as the model has it. Raises Invalid for what is unknown, repeated or malformed."""
    text = request.scope["query_string"]
    query: Model = (_read_query if len(text) <= KEPT_BYTES else _read_query.__wrapped__)(model, text)
    return query


@lru_cache(maxsize=KEPT)  # what a model makes of one is frozen, and hangs on nothing else
def _read_query(model: type[Model], query_string: bytes) -> Model:
    values: dict[str, Any] = {}
    repeated = []
    for name, value in pairs(query_string):
        if name in values:
            repeated.append(FieldError(name, "Given more than once.", "repeated"))
        values[name] = value
    if repeated:
        raise Invalid(repeated)
    known = _names(model)
    given = {k: v for k, v in values.items() if v.strip() or k not in known}
    try:
        query: Model = model.__pydantic_validator__.validate_python(given)
    except ValidationError as error:
        raise Invalid(field_errors(error, known)) from None
    return query


@cache
def _names(model: type[BaseModel]) -> frozenset[str]:
    """Return what its parameters are called."""
    return frozenset(field.alias or name for name, field in model.model_fields.items())


def read_uid(params: Mapping[str, Any], name: str = "entity_uid") -> UUID:
    """Return the uuid in the path; a malformed one names nothing that exists: Unknown."""
    text = str(params[name])
    if not _UID.fullmatch(text):  # braces, urn:uuid: and the like are none either
        raise Unknown("entity")
    return convert(text, UUID)


def read_position(params: Mapping[str, Any]) -> int:
    """Return the position in the path; what is none, or before the first, names nothing that exists: Unknown."""
    text = str(params["position"])
    if not (text.isascii() and text.isdigit() and len(text) <= DIGITS and 1 <= int(text) <= LAST_POSITION):
        raise Unknown("event")
    return int(text)
