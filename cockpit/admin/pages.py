"""How a page is made: its template, the headers that keep it safe, forms shown again with what is wrong, errors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from fastapi import Request, Response
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from msgspec import Struct
from starlette.responses import HTMLResponse

from cockpit.admin import notices
from cockpit.admin.session import Session
from shared.core import errors
from shared.http import problem
from shared.http.instants import show
from shared.http.paging import page_of

if TYPE_CHECKING:
    from read_side.questions import Slice

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
    # with no-referrer, a browser says of our own forms that they come from nowhere
    "Referrer-Policy": "same-origin",
}


class Filled(Struct, frozen=True, kw_only=True):
    """A form as it is shown: what was typed, what is wrong with which field ('' is the whole), the status of that."""

    given: Mapping[str, str] = {}
    errors: Mapping[str, Sequence[str]] = {}
    status: int = 200
    headers: Mapping[str, str] = {}


class Part(Struct, frozen=True, kw_only=True):
    """One page of a list, and the query strings of its neighbours."""

    items: Sequence[Any]
    count: int | None
    first: int
    next: str | None
    previous: str | None


def refused(request: Request, error: errors.CockpitError, given: Mapping[str, str], fields: Sequence[str]) -> Filled:
    """Return the form to show again: messages stand at the field they name, else above; the first field is the key."""
    found: dict[str, list[str]] = {}
    match error:
        case errors.Invalid():
            for wrong in error.errors:
                is_whole = wrong.field == "non_field_errors"
                text = wrong.message if is_whole or wrong.field in fields else f"{wrong.field}: {wrong.message}"
                found.setdefault(wrong.field if wrong.field in fields else "", []).append(text)
        case errors.AlreadyRegistered(what=what, key=key):
            found[fields[0]] = [f"The {what} {key} is there already."]
        case errors.Forbidden():
            found[""] = ["This page is for administrators."]
        case _:
            found[""] = [str(error)]
    status, headers = _as_http(request, error)
    return Filled(given=given, errors=found, status=status, headers=headers)


def part_of(request: Request, items: Sequence[Any], count: int | None, part: Slice) -> Part:
    """Return the page of a list that a question was answered with."""
    found = page_of(request, items, count=count, page=part.page, page_size=part.size)
    return Part(
        items=found.results,
        count=found.count,
        first=(part.page - 1) * part.size + 1,
        next=found.next and f"?{urlsplit(found.next).query}",
        previous=found.previous and f"?{urlsplit(found.previous).query}",
    )


def render(request: Request, template: str, form: Filled | None = None, **values: object) -> Response:
    """Return a page; a form on it says with which status."""
    session: Session | None = getattr(request.state, "session", None)
    notice = notices.notice_of(request, session)
    form = form or Filled()
    text = TEMPLATES.get_template(template).render(
        session=session, notice=notice, path=request.url.path, form=form, **values
    )
    response = HTMLResponse(text, form.status, {**HEADERS, **form.headers})
    if notice is not None and request.method == "GET":
        notices.forget(response)
    return response


def error_page(request: Request, status: int, text: str, headers: Mapping[str, str] | None = None) -> Response:
    """Return an error as a page."""
    form = Filled(status=status, headers=headers or {})
    title = HTTPStatus(status).phrase
    return render(request, "error.html", form, title=title, text=text, request_id=request.state.request_id)


async def on_domain_error(request: Request, error: Exception) -> Response:
    """Answer what a page does not answer itself: what is not there, a database that is away."""
    assert isinstance(error, errors.CockpitError)  # noqa: S101  # how it is registered
    status, headers = _as_http(request, error)
    missing = f" Something is missing: {error.warning}." if error.warning else ""
    return error_page(request, status, f"{error}{missing}", headers)


def _as_http(request: Request, error: errors.CockpitError) -> tuple[int, dict[str, str]]:
    """Return status and headers of an error, as the API has them."""
    told = problem.from_domain(request, error)
    return told.status_code, {name: value for name, value in told.headers.items() if name == "retry-after"}


def _instant(instant: datetime) -> Markup:
    """Show an instant in UTC, to the second; its whole is in the attributes."""
    exact = show(instant)
    return Markup('<time datetime="{0}" title="{0}">{1} <span>{2}</span></time>').format(
        exact, exact[:10], exact[11:19]
    )


TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
TEMPLATES.filters |= {"instant": _instant, "exact": show}
