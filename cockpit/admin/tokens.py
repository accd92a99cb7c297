"""Tokens: what programs show instead of a password; issued and shown once, revoked at once."""

from __future__ import annotations

from uuid import UUID

from fastapi import Request, Response
from msgspec import Struct

from cockpit.admin.notices import moved
from cockpit.admin.pages import Filled, part_of, refused, render
from cockpit.admin.session import Form
from cockpit.admin.users import A_PAGE, UsersQuery
from cockpit.clock import clock
from db.accounts import Accounts
from read_side.questions import Slice
from shared.core.errors import Invalid, Unknown, invalid
from shared.http.auth import SCOPES
from shared.http.requests import Text, read_query

HERE = "/admin/tokens"
FIELDS = ("username", "label", "scopes", "ttl")
DAY = 86400.0


class Lifetime(Struct, frozen=True):
    """How long a token may live: what the form sends and says, in seconds (None: for ever)."""

    name: str
    text: str
    seconds: float | None


LIFETIMES = (
    Lifetime("hour", "an hour", 3600.0),
    Lifetime("day", "a day", DAY),
    Lifetime("month", "30 days", 30 * DAY),
    Lifetime("year", "a year", 365 * DAY),
    Lifetime("ever", "until it is revoked", None),
)


class TokensQuery(UsersQuery):
    """Whose tokens, and which page of them."""

    username: Text | None = None


async def browse(request: Request) -> Response:
    """Show the tokens of a user or of all, and a form to issue one."""
    query = read_query(request, TokensQuery)
    return await _browse(request, query, Filled(given={"username": query.username or "", "ttl": "month"}))


async def issue(request: Request, form: Form) -> Response:
    """Issue a token and show it, this once."""
    accounts: Accounts = request.app.state.accounts
    scopes = form.getlist("scopes")
    try:
        lifetime = next((known for known in LIFETIMES if known.name == form.get("ttl")), None)
        if lifetime is None:
            raise invalid("ttl", "Choose how long it shall live.")
        name = form.get("username", "").strip()
        issued = await accounts.issue_token(name, scopes, form.get("label", "").strip(), lifetime.seconds)
    except (Invalid, Unknown) as error:
        filled = refused(request, error, {**form, "scopes": " ".join(scopes)}, FIELDS)
        return await _browse(request, TokensQuery(), filled)
    return moved(request, HERE, f"This is the token of {name}. It is shown this once: copy it now.", issued.token)


async def revoke(request: Request, form: Form) -> Response:
    """End a token at once."""
    accounts: Accounts = request.app.state.accounts
    try:
        token_id = UUID(form.get("token_id", ""))
    except ValueError:
        raise Unknown("token") from None
    await accounts.revoke_by_id(token_id)
    return moved(request, HERE, "The token was revoked.")


async def _browse(request: Request, query: TokensQuery, form: Filled) -> Response:
    accounts: Accounts = request.app.state.accounts
    part = Slice(page=query.page, size=A_PAGE)
    tokens = await accounts.list_tokens(query.username)
    shown = tokens[(query.page - 1) * A_PAGE : query.page * A_PAGE]
    found = part_of(request, shown, len(tokens), part)
    return render(
        request,
        "tokens.html",
        form,
        found=found,
        username=query.username,
        scopes=SCOPES,
        lifetimes=LIFETIMES,
        now=clock(),
    )
