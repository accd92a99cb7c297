"""What a form led to, told once on the next page: in a cookie that only the same session can have made."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from hmac import compare_digest

import msgspec
from fastapi import Request, Response
from msgspec import Struct
from starlette.responses import RedirectResponse

from cockpit.admin.session import PATH, Session, session_of, set_cookie

COOKIE = "cockpit_notice"
SECONDS = 60


class Notice(Struct, frozen=True):
    """A sentence; `secret` is a token that was just made, the one time that it can be shown."""

    text: str
    secret: str = ""

    def __repr__(self) -> str:
        """Tell all but the secret: a representation ends up in logs."""
        return f"Notice({self.text!r})"


def moved(request: Request, to: str, text: str, secret: str = "") -> Response:
    """Return the answer to a form that was taken: a page to go on to, which tells the notice."""
    response = RedirectResponse(to, 303)
    body = urlsafe_b64encode(msgspec.json.encode(Notice(text, secret))).decode()
    set_cookie(request, response, COOKIE, f"{body}.{session_of(request).seal('notice', body)}", SECONDS)
    return response


def notice_of(request: Request, session: Session | None) -> Notice | None:
    """Return what the page shall tell; only to who is signed in."""
    body, _, seal = request.cookies.get(COOKIE, "").partition(".")
    if session is None or not compare_digest(seal.encode(), session.seal("notice", body).encode()):
        return None
    return msgspec.json.decode(urlsafe_b64decode(body), type=Notice)


def forget(response: Response) -> None:
    """Let the notice not be told again."""
    response.delete_cookie(COOKIE, path=PATH)
