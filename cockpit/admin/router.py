"""Every page by its path, in one table; what goes wrong below /admin is told on a page, too."""

from __future__ import annotations

from http import HTTPStatus
from pathlib import Path

from fastapi import FastAPI, Request, Response
from starlette.exceptions import HTTPException
from starlette.middleware.exceptions import ExceptionMiddleware
from starlette.responses import RedirectResponse
from starlette.routing import Route, Router

from cockpit.admin import audit, entities, sign_in, tokens, types, users
from cockpit.admin.pages import error_page, on_domain_error
from cockpit.admin.session import HOME, PATH, action, page
from shared.http.problem import STATUS, allowed_methods

STATIC = {file.name: file.read_bytes() for file in (Path(__file__).parent / "static").iterdir()}
MEDIA = {".css": "text/css", ".svg": "image/svg+xml"}


async def home(_request: Request) -> Response:
    """Go to where everybody begins."""
    return RedirectResponse(HOME, 303)


async def static(request: Request) -> Response:
    """Answer with what pages are made of besides themselves; it needs no session: the log-in page has it, too."""
    name = request.path_params["name"]
    if name not in STATIC:
        raise HTTPException(404)
    return Response(STATIC[name], media_type=MEDIA[Path(name).suffix])


ROUTES = [
    Route("/admin", page(home)),
    Route("/admin/login", sign_in.form),
    Route("/admin/login", sign_in.sign_in, methods=["POST"]),
    Route("/admin/sign-out", action(sign_in.sign_out), methods=["POST"]),
    Route("/admin/entities", page(entities.browse)),
    Route("/admin/entities/{entity_uid}", page(entities.one)),
    Route("/admin/audit", page(audit.browse)),
    Route("/admin/types", page(types.browse)),
    Route("/admin/types/{kind}", action(types.add), methods=["POST"]),
    Route("/admin/types/{kind}/{code}", page(types.one)),
    Route("/admin/types/{kind}/{code}", action(types.change), methods=["POST"]),
    Route("/admin/users", page(users.browse)),
    Route("/admin/users", action(users.add), methods=["POST"]),
    Route("/admin/users/one", page(users.one)),
    Route("/admin/users/one", action(users.change), methods=["POST"]),
    Route("/admin/tokens", page(tokens.browse)),
    Route("/admin/tokens", action(tokens.issue), methods=["POST"]),
    Route("/admin/tokens/revoke", action(tokens.revoke), methods=["POST"]),
    Route("/admin/static/{name}", static),
]


def install(app: FastAPI) -> None:
    """Serve the pages of an app that has both sides; none of them is part of the API's document."""
    handlers = dict.fromkeys(STATUS, on_domain_error) | {HTTPException: on_http_error}
    pages = ExceptionMiddleware(Router(ROUTES), handlers)
    app.router.routes += [Route(PATH, pages), Route(f"{PATH}/{{path:path}}", pages)]


async def on_http_error(request: Request, error: Exception) -> Response:
    """Answer a request that no page takes."""
    assert isinstance(error, HTTPException)  # noqa: S101  # how it is registered
    headers = dict(error.headers or {})
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        headers = {"Allow": ", ".join(allowed_methods(ROUTES, request))}
        if request.method == "OPTIONS":
            return Response(status_code=204, headers=headers)
    text = {
        404: "There is no such page.",
        405: f"This page does not answer {request.method}.",
    }.get(error.status_code, error.detail)
    return error_page(request, error.status_code, text, headers)
