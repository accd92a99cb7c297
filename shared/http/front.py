"""The way in: an operation is found by its path and called at once; all else goes on to the framework behind.

What FastAPI does around an endpoint takes several times as long as most endpoints do, and ours take the request as it
is (docs/decisions/0003): they need none of it. The document, its pages, and whatever nobody serves stay with FastAPI.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import Request

from shared.http import problem
from shared.http.routes import BareRoute, Endpoint

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from fastapi import APIRouter, FastAPI
    from starlette.types import ASGIApp, Receive, Scope, Send

ANY = "*"
"""What stands for the part of a path that is a parameter: a path of a request is never taken for it."""


def install(app: FastAPI, routers: Iterable[tuple[str, APIRouter]], around: Callable[[ASGIApp], ASGIApp]) -> None:
    """Serve the operations of some routers, each behind its prefix; `around` puts around every answer what it has."""
    operations = []
    for prefix, router in routers:
        app.include_router(router, prefix=prefix)
        operations += [(prefix, route) for route in router.routes if isinstance(route, BareRoute)]
    problem.install(app)
    app.middleware_stack = around(Front(app, operations, app.build_middleware_stack()))


class Front:
    """Calls the endpoint of an operation, and `rest` for what is none: other paths, and methods that a path has not."""

    def __init__(self, app: FastAPI, operations: Iterable[tuple[str, BareRoute]], rest: ASGIApp) -> None:
        self._app = app
        self._rest = rest
        self._endpoints: dict[tuple[str, str], Endpoint] = {}
        self._with_parameter: dict[tuple[str, str], tuple[Endpoint, str]] = {}
        self._places: list[int] = []
        for prefix, route in operations:
            self._add(prefix + route.path, route)
        self._places.sort()

    def _add(self, path: str, route: BareRoute) -> None:
        parts = path.split("/")
        named = [place for place, part in enumerate(parts) if part.startswith("{")]
        if not named:
            self._endpoints |= {(method, path): route.endpoint for method in route.methods or ()}
            return
        (place,) = named  # no operation of ours has two parameters in its path
        name = parts[place].strip("{}")
        parts[place] = ANY
        pattern = "/".join(parts)
        self._with_parameter |= {(method, pattern): (route.endpoint, name) for method in route.methods or ()}
        if place not in self._places:
            self._places.append(place)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request. What an endpoint raises is answered as a problem."""
        scope["app"] = self._app
        endpoint = self._find(scope) if scope["type"] == "http" else None
        if endpoint is None:
            await self._rest(scope, receive, send)
            return
        request = Request(scope, receive, send)
        try:
            response = await endpoint(request)
        except Exception as error:  # noqa: BLE001  # whatever it is, it is told: a fault of ours as 500, and logged
            response = problem.answer(request, error)
        await response(scope, receive, send)

    def _find(self, scope: Scope) -> Endpoint | None:
        """Return the endpoint that a request is for, its parameter put into the scope."""
        method, path = scope["method"], scope["path"]
        endpoint = self._endpoints.get((method, path))
        if endpoint is not None:
            scope["path_params"] = {}
            return endpoint
        parts = path.split("/")
        for place in self._places:
            if place < len(parts) and (given := parts[place]):
                parts[place] = ANY
                found = self._with_parameter.get((method, "/".join(parts)))
                if found is not None:
                    endpoint, name = found
                    scope["path_params"] = {name: given}
                    return endpoint
                parts[place] = given
        return None
