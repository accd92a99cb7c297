"""How the service is: `/ping/` as the original answered it and more, `/livez`, `/readyz`."""

from __future__ import annotations

import asyncio
import platform
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import psycopg
from fastapi import APIRouter, FastAPI, Request, Response
from msgspec import Struct
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from cockpit.clock import clock
from db.pipeline import Pipeline
from shared.http.routes import operation
from shared.http.shapes import Instant, encode

if TYPE_CHECKING:
    from db.pool import Connection

router = APIRouter()
DATABASE_SECONDS = 1.5


class Environment(Struct):
    """What the service runs on; there is no Django any more."""

    debug: bool
    environment: str
    python_version: str
    django_version: None
    fastapi_version: str
    postgresql_version: str | None
    cockpit_version: str


class Endpoints(Struct):
    """Where the original's clients look; the admin page is served where both sides are."""

    api_base: str
    admin: str | None
    ping: str


class Ping(Struct):
    """The state of the service; the last four are null while the database is away."""

    status: str
    timestamp: Instant
    environment: Environment
    database: str
    features: dict[str, bool]
    endpoints: Endpoints
    head_position: int | None = None
    checkpoint: int | None = None
    lag: int | None = None
    parked: int | None = None


class Health(Struct):
    """Whether the service lives, or is ready: and if not, why."""

    status: str
    reason: str | None = None


async def ask(app: FastAPI) -> dict[str, Any] | None:
    """Return what the database says about itself, None when it does not answer in time."""
    pool: AsyncConnectionPool[Connection] = app.state.health_pool
    try:
        async with asyncio.timeout(DATABASE_SECONDS):
            connection = await pool.getconn()
            try:
                async with Pipeline(connection) as pipeline:  # psycopg's own way takes ten seconds to be cancelled
                    asked = pipeline.ask("read/get_health", {})
            finally:
                await pool.putconn(connection)
    except (psycopg.Error, PoolTimeout, TimeoutError):
        return None
    return next(asked.named(), None)


@operation(
    router,
    "GET",
    "/ping",
    summary="How the service is",
    tag="health",
    scope=None,
    answers={200: Ping, 503: Ping},
    problems=(406,),
)
async def ping(request: Request) -> Response:
    """Answer 200 while the database does, 503 otherwise; for health checks of containers and load balancers."""
    settings, sides = request.app.state.settings, request.app.state.sides
    known = await ask(request.app)
    body = Ping(
        status="healthy" if known else "unhealthy",
        timestamp=clock(),
        environment=Environment(
            debug=settings.debug,
            environment=settings.environment,
            python_version=platform.python_version(),
            django_version=None,
            fastapi_version=version("fastapi"),
            postgresql_version=known["postgresql_version"] if known else None,
            cockpit_version=version("cockpit"),
        ),
        database="connected" if known else "disconnected",
        features={
            "scd2_versioning": bool(known and known["has_constraints"]),
            "temporal_queries": "read" in sides,
            "audit_logging": bool(known and known["has_audit"]),
            "token_auth": hasattr(request.app.state, "authenticate"),
            "event_log": bool(known and known["is_immutable"]),
        },
        endpoints=Endpoints(api_base="/api/v1/", admin="/admin/" if len(sides) > 1 else None, ping="/ping/"),
    )
    if known:
        body.head_position, body.checkpoint = known["head_position"], known["checkpoint"]
        body.lag, body.parked = known["head_position"] - known["checkpoint"], known["parked"]
    return Response(encode(body), 200 if known else 503, media_type="application/json")


@operation(
    router,
    "GET",
    "/livez",
    summary="Whether the process lives",
    tag="health",
    scope=None,
    answers={200: Health},
    problems=(406,),
)
async def livez(_request: Request) -> Response:
    """Answer as long as this process can; nothing else is asked."""
    return Response(encode(Health("ok")), media_type="application/json")


@operation(
    router,
    "GET",
    "/readyz",
    summary="Whether the service is ready",
    tag="health",
    scope=None,
    answers={200: Health, 503: Health},
    problems=(406,),
)
async def readyz(request: Request) -> Response:
    """Answer 200 when the database answers and a projector leads."""
    known = await ask(request.app)
    reason = "the database does not answer" if known is None else None
    if known is not None and not known["has_projector"]:
        reason = "no projector is running"
    return Response(
        encode(Health("not ready" if reason else "ok", reason)), 503 if reason else 200, media_type="application/json"
    )
