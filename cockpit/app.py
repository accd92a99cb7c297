"""The HTTP application: the routers of the sides it serves, and the services behind them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from importlib.metadata import version
from typing import TYPE_CHECKING, Literal

from fastapi import APIRouter, FastAPI
from fastapi_offline import FastAPIOffline
from starlette.middleware.cors import CORSMiddleware
from starlette.routing import Route

from cockpit import health
from cockpit.admin import router as admin
from cockpit.services import readers, waiting, writers
from db.pool import make_pool
from read_side.api.router import routers as read_routers
from shared.http import front, openapi
from shared.http.context import Surroundings
from shared.http.own_writes import OwnWrites
from write_side.api import auth, batch, entities, parked, projections, types
from write_side.api.commands import Writing

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from db.pool import Dsns
    from shared.settings import Settings

Sides = Literal["read", "write", "both"]
API = "/api/v1"
EXPOSED_HEADERS = [
    "ETag",
    "Position",
    "As-Of",
    "Event-Id",
    "Location",
    "Content-Disposition",
    "X-Request-Id",
    "Idempotent-Replayed",
    "Preference-Applied",
    "Retry-After",
    "Warning",
]


def build_app(settings: Settings, dsns: Dsns, sides: Sides = "both") -> FastAPI:
    """Return the application; its pools open when it starts and close when it ends."""
    served: set[str] = {"read", "write"} if sides == "both" else {sides}

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            waiter = await stack.enter_async_context(waiting(dsns))
            app.state.wait_projected = waiter.wait_for
            app.state.health_pool = await stack.enter_async_context(make_pool(dsns.of("read"), 2))
            if "read" in served:
                reading = await stack.enter_async_context(readers(dsns, settings, waiter))
                app.state.read, app.state.feed = reading.read_model, reading.feed
                app.state.authenticate = reading.accounts.look_up
                app.state.projections = reading.projections
            if "write" in served:
                writing = await stack.enter_async_context(writers(dsns, settings))
                app.state.accounts, app.state.authenticate = writing.accounts, writing.accounts.look_up
                app.state.rebuilds = writing.rebuilds
                app.state.write = Writing(
                    handler=writing.handler,
                    skipper=writing.skipper,
                    rehearse=writing.rehearse,
                    wait_projected=waiter.wait_for,
                    own_writes=app.state.own_writes,
                    replay_seconds=settings.replay_seconds,
                    require_if_match=settings.require_if_match,
                )
            yield

    app = FastAPIOffline(
        title="Cockpit",
        version=version("cockpit"),
        summary="A CRM core that never forgets.",
        lifespan=lifespan,
        debug=False,
        redirect_slashes=False,
    )
    for route in app.routes:  # the pages of the document answer HEAD where they answer GET, like all else
        if isinstance(route, Route) and "GET" in (route.methods or ()):
            route.methods = {*(route.methods or ()), "HEAD"}
    app.state.settings = settings
    app.state.sides = served
    app.state.stopping = asyncio.Event()  # set when the service is about to stop: what has no end of its own ends
    app.state.public_reads = settings.reads_are_public
    app.state.max_body_bytes = settings.max_body_bytes
    app.state.token_ttl = settings.token_ttl
    app.state.own_writes = OwnWrites()
    front.install(app, _routers(served), partial(_surrounded, settings=settings))
    if len(served) > 1:
        admin.install(app)
    openapi.document(app)
    return app


def _routers(served: set[str]) -> Iterator[tuple[str, APIRouter]]:
    """Yield the router of each resource of the sides, behind its prefix."""
    yield "", health.router
    if "write" in served:
        yield from ((API, resource.router) for resource in (auth, batch, entities, types, parked, projections))
    if "read" in served:
        yield from ((API, router) for router in read_routers)


def _surrounded(app: ASGIApp, settings: Settings) -> ASGIApp:
    """Return the way in with what every answer has around it."""
    origins = [origin.strip() for origin in settings.cors_origins.split(",") if origin.strip()]
    if origins:
        app = CORSMiddleware(
            app, allow_origins=origins, allow_methods=["*"], allow_headers=["*"], expose_headers=EXPOSED_HEADERS
        )
    return Surroundings(app)
