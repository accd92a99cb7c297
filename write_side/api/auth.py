"""`/auth/token`: a password for a token, and a token's end. No other resource takes forms."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import suppress
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Request, Response
from msgspec import Struct
from pydantic import AfterValidator, Field, SecretStr, StringConstraints, ValidationError
from starlette.formparsers import MultiPartException, MultiPartParser

from db.accounts import Accounts
from db.passwords import PASSWORD_CHARACTERS
from shared.core.errors import FieldError, Forbidden, Invalid, Unauthenticated
from shared.http.auth import authorize, token_hash
from shared.http.forms import FORM_FIELDS, URLENCODED, malformed, urlencoded
from shared.http.openapi import JSON
from shared.http.requests import Body, Query, field_errors, read_body, read_bytes, read_query
from shared.http.routes import operation
from shared.http.shapes import Instant, encode

MULTIPART = "multipart/form-data"

Given = TypeVar("Given", str, SecretStr)

router = APIRouter()


def _not_blank(value: Given) -> Given:
    if not value:
        raise ValueError("This field may not be blank.")
    return value


def _not_huge(password: SecretStr) -> SecretStr:
    if len(password) > PASSWORD_CHARACTERS:
        raise ValueError(f"No password has more than {PASSWORD_CHARACTERS} characters.")
    return password


class Credentials(Body):
    """Who wants a token. A password is taken as it is, spaces included."""

    username: Annotated[
        str,
        StringConstraints(strip_whitespace=True),
        AfterValidator(_not_blank),
        Field(json_schema_extra={"minLength": 1}),
    ]
    password: Annotated[
        SecretStr,
        AfterValidator(_not_blank),
        AfterValidator(_not_huge),
        Field(json_schema_extra={"minLength": 1, "maxLength": PASSWORD_CHARACTERS}),
    ]


class TokenOut(Struct):
    """A token, shown this once: when it expires (null: never) and what it opens."""

    token: str
    expires_at: Instant | None
    scopes: list[str]


@operation(
    router,
    "POST",
    "/auth/token",
    summary="Log in",
    tag="auth",
    scope=None,
    body=Credentials,
    body_types=(JSON, URLENCODED, MULTIPART),
    answers={200: TokenOut},
    problems=(400, 406, 413, 415, 429, 503),
)
async def create_token(request: Request) -> Response:
    """Exchange a username and a password, as JSON or as a form, for a new token; earlier ones stay valid."""
    credentials = await _read_credentials(request)
    accounts: Accounts = request.app.state.accounts
    issued = await accounts.log_in(
        credentials.username,
        credentials.password.get_secret_value(),
        address=request.client.host if request.client else "",
        ttl=request.app.state.token_ttl,
    )
    request.state.actor = credentials.username
    answer = TokenOut(issued.token, issued.expires_at, issued.scopes)
    return Response(encode(answer), media_type="application/json")


@operation(
    router,
    "DELETE",
    "/auth/token",
    summary="Log out",
    tag="auth",
    scope="write",  # for the document: a token is not optional here; any will do
    answers={204: None},
    problems=(400, 401, 406, 503),
)
async def revoke_token(request: Request) -> Response:
    """Revoke the token in use, at once."""
    header = request.headers.get("authorization")
    if header is None:
        raise Unauthenticated("Authentication credentials were not provided.")
    with suppress(Forbidden):  # a valid token may end itself, whatever else it may
        await authorize(request, "read")
    read_query(request, Query)
    accounts: Accounts = request.app.state.accounts
    await accounts.revoke(token_hash(header.partition(" ")[2].strip()))
    return Response(status_code=204)


async def _read_credentials(request: Request) -> Credentials:
    """Return the credentials, from whichever content type; a missing body lacks both fields. Raises as read_body."""
    read_query(request, Query)
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == URLENCODED:
        pairs = urlencoded(await read_bytes(request))
    elif kind == MULTIPART:
        pairs = await _multipart(request, await read_bytes(request))
    else:
        return await read_body(request, Credentials, optional=True)
    values = dict(pairs)
    if len(values) < len(pairs):
        raise Invalid([FieldError(name, "Given more than once.", "repeated") for name in _repeated(pairs)])
    try:
        return Credentials.model_validate(values)
    except ValidationError as error:
        raise Invalid(field_errors(error)) from None


async def _multipart(request: Request, raw: bytes) -> list[tuple[str, Any]]:
    async def stream() -> AsyncGenerator[bytes, None]:
        yield raw

    try:
        form = await MultiPartParser(request.headers, stream(), max_files=0, max_fields=FORM_FIELDS).parse()
    except (MultiPartException, ValueError):  # a charset that cannot decode is a ValueError
        raise malformed() from None
    return form.multi_items()


def _repeated(pairs: list[tuple[str, Any]]) -> list[str]:
    names = [name for name, _ in pairs]
    return sorted({name for name in names if names.count(name) > 1})
