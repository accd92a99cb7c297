"""Signing in with a password and out again: a session is an API token that lives for half a day."""

from __future__ import annotations

from fastapi import Request, Response
from pydantic import ValidationError
from starlette.responses import RedirectResponse

from cockpit.admin.pages import refused, render
from cockpit.admin.session import (
    COOKIE,
    HOME,
    LOGIN,
    PATH,
    SESSION_SECONDS,
    Form,
    check_same_site,
    find_session,
    local,
    read_form,
    session_of,
    set_cookie,
)
from db.accounts import Accounts
from shared.core.errors import Forbidden, Invalid, TooManyAttempts
from shared.http.requests import field_errors
from write_side.api.auth import Credentials

LABEL = "admin page"
FIELDS = ("username", "password")


async def form(request: Request) -> Response:
    """Ask for name and password; who is signed in goes on."""
    to = local(request.query_params.get("next", HOME))
    if await find_session(request) is not None:
        return RedirectResponse(to, 303)
    return render(request, "login.html", next=to)


async def sign_in(request: Request) -> Response:
    """Begin a session, of administrators alone."""
    check_same_site(request)
    typed = await read_form(request)
    accounts: Accounts = request.app.state.accounts
    settings = request.app.state.settings
    to = local(typed.get("next", HOME))
    try:
        credentials = _credentials(typed)
        issued = await accounts.log_in(
            credentials.username,
            credentials.password.get_secret_value(),
            address=request.client.host if request.client else "",
            ttl=min(SESSION_SECONDS, settings.token_ttl or SESSION_SECONDS),
            label=LABEL,
            needs="admin",
        )
    except (Invalid, Forbidden, TooManyAttempts) as error:
        return render(request, "login.html", refused(request, error, typed, FIELDS), next=to)
    request.state.actor = credentials.username
    response = RedirectResponse(to, 303)
    set_cookie(request, response, COOKIE, issued.token, SESSION_SECONDS)
    return response


async def sign_out(request: Request, _form: Form) -> Response:
    """End the session here and in the database."""
    accounts: Accounts = request.app.state.accounts
    await accounts.revoke(session_of(request).principal.token_hash)
    response = RedirectResponse(LOGIN, 303)
    response.delete_cookie(COOKIE, path=PATH)
    return response


def _credentials(typed: Form) -> Credentials:
    try:
        return Credentials.model_validate({name: typed.get(name, "") for name in FIELDS})
    except ValidationError as error:
        raise Invalid(field_errors(error)) from None
