"""Who is signed in: an API token in a cookie that no script reads and no other site sends; what guards each page."""

from __future__ import annotations

import hmac
import re
from collections.abc import Awaitable, Callable
from urllib.parse import quote

from fastapi import Request, Response
from msgspec import Struct
from starlette.datastructures import ImmutableMultiDict
from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse

from shared.http.auth import Authenticator, Principal, token_hash
from shared.http.forms import URLENCODED, urlencoded
from shared.http.requests import read_bytes

COOKIE = "cockpit_admin"
PATH = "/admin"
HOME = "/admin/entities"
LOGIN = "/admin/login"
SESSION_SECONDS = 12 * 3600
LOCAL = re.compile(r"/admin(?:/[\w/-]*)?(?:\?[!-\[\]-~]*)?", re.ASCII)
"""A path of ours with its query: without dots and backslashes it cannot lead elsewhere."""

Form = ImmutableMultiDict[str, str]
Page = Callable[[Request], Awaitable[Response]]
Action = Callable[[Request, Form], Awaitable[Response]]


class Session(Struct, frozen=True):
    """An administrator who is signed in, and the token that says so."""

    principal: Principal
    token: str

    def __repr__(self) -> str:
        """Tell all but the token: a representation ends up in logs."""
        return f"Session({self.principal.username!r})"

    def seal(self, purpose: str, text: str = "") -> str:
        """Return what only this session can have made of the text."""
        return hmac.new(self.token.encode(), f"{purpose}\0{text}".encode(), "sha256").hexdigest()

    @property
    def form_token(self) -> str:
        """What every form of this session carries: other sites cannot know it."""
        return self.seal("form")


def session_of(request: Request) -> Session:
    """Return the session of a page that is guarded."""
    session: Session = request.state.session
    return session


def set_cookie(request: Request, response: Response, name: str, value: str, seconds: int) -> None:
    """Set a cookie that only our pages get, and no script."""
    response.set_cookie(
        name,
        value,
        max_age=seconds,
        path=PATH,
        secure=request.url.scheme == "https",
        httponly=True,
        samesite="strict",
    )


def local(path: str) -> str:
    """Return a path to go on to, if it is one of ours; else where everybody begins.

    >>> local("/admin/audit?actor=jo"), local("//example.com"), local("/admin/../api"), local("/administrator")
    ('/admin/audit?actor=jo', '/admin/entities', '/admin/entities', '/admin/entities')
    """
    return path if LOCAL.fullmatch(path) else HOME


async def find_session(request: Request) -> Session | None:
    """Return the session that the cookie opens, None without one: signed out, expired, or no administrator any more.

    Raises Unavailable.
    """
    token = request.cookies.get(COOKIE, "")
    authenticate: Authenticator = request.app.state.authenticate
    principal = await authenticate(token_hash(token)) if token else None
    if principal is None or "admin" not in principal.scopes:
        return None
    request.state.actor = principal.username
    request.state.session = session = Session(principal, token)
    return session


def page(endpoint: Page) -> Page:
    """Show a page to who is signed in; others sign in first, and come back to it."""

    async def guarded(request: Request) -> Response:
        if await find_session(request) is None:
            wanted = request.url.path + (f"?{request.url.query}" if request.url.query else "")
            return RedirectResponse(f"{LOGIN}?next={quote(local(wanted), safe='/')}", 303)
        return await endpoint(request)

    return guarded


def action(endpoint: Action) -> Page:
    """Take a form from who is signed in, if it was one of this session's own pages that sent it."""

    async def guarded(request: Request) -> Response:
        check_same_site(request)
        session = await find_session(request)
        if session is None:
            return RedirectResponse(LOGIN, 303)
        form = await read_form(request)
        if not hmac.compare_digest(form.get("form_token", "").encode(), session.form_token.encode()):
            raise HTTPException(
                403, "This form was not made for your session. Go back, reload the page, send it again."
            )
        return await endpoint(request, form)

    return guarded


def check_same_site(request: Request) -> None:
    """Raise 403 when the browser says that another site sent this; what is no browser has no session to abuse."""
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    if site is not None:
        is_ours = site == "same-origin"
    else:  # not sent over plain http beyond this machine; the scheme may be a proxy's
        is_ours = origin is None or origin.partition("://")[2] == request.headers.get("host")
    if not is_ours:
        raise HTTPException(403, "This form was sent by another site.")


async def read_form(request: Request) -> Form:
    """Return the fields of a form. Raises 413, 415, and Invalid."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != URLENCODED:
        raise HTTPException(415, f"A form comes as {URLENCODED}.")
    return Form(urlencoded(await read_bytes(request)))
