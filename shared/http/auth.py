"""Who is calling: `Authorization: Token …` or `Bearer …`, looked up by the token's hash, and what they may do."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Literal, Protocol

from msgspec import Struct

from shared.core.errors import Forbidden, Unauthenticated
from shared.http.headers import header

if TYPE_CHECKING:
    from fastapi import Request

Scope = Literal["read", "write", "admin"]
SCOPES: tuple[Scope, ...] = ("read", "write", "admin")


class Principal(Struct, frozen=True):
    """A caller: the user name (empty for anonymous), the scopes, and the hash of the token that opened the door."""

    username: str
    scopes: frozenset[str]
    token_hash: bytes = b""


ANONYMOUS = Principal("", frozenset({"read"}))
"""Whoever reads without a token, where that is allowed."""


class Authenticator(Protocol):
    """Looks a token up; the composition root puts one into the app's state as `authenticate`."""

    async def __call__(self, token_hash: bytes) -> Principal | None:
        """Return whose token it is; None for one that is unknown, revoked or expired, or whose user is not active."""


def token_hash(token: str) -> bytes:
    """Return what is stored of a token: its SHA-256."""
    return sha256(token.encode()).digest()


async def authorize(request: Request, scope: Scope) -> Principal:
    """Return the caller, if they may do what needs the scope.

    A read without any token is anonymous where the app's state says `public_reads`; a wrong token is refused
    everywhere. Raises Unauthenticated or Forbidden.
    """
    given = header(request, b"authorization")
    if given is None:
        if scope == "read" and request.app.state.public_reads:
            return ANONYMOUS
        raise Unauthenticated("Authentication credentials were not provided.")
    scheme, _, token = given.partition(" ")
    if scheme.lower() not in {"token", "bearer"} or not token.strip():
        raise Unauthenticated("Write the header as: Authorization: Token <token>.")
    authenticate: Authenticator = request.app.state.authenticate
    principal = await authenticate(token_hash(token.strip()))
    if principal is None:
        raise Unauthenticated("Invalid token.")
    request.scope.setdefault("state", {})["actor"] = principal.username
    is_open = scope == "read" and request.app.state.public_reads
    if scope not in principal.scopes and not is_open:
        raise Forbidden(scope)
    return principal


async def identify(request: Request, scope: Scope) -> Principal:
    """Return the caller, whose token must have the scope even where reads are public. Raises as `authorize` does."""
    principal = await authorize(request, scope)
    if not principal.username:
        raise Unauthenticated("Authentication credentials were not provided.")
    if scope not in principal.scopes:
        raise Forbidden(scope)
    return principal
