"""The API as a part of a process: its port, its server, and what it says once it answers."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import uvicorn
from fastapi import FastAPI

from cockpit.app import Sides, build_app
from cockpit.fixtures import load_once
from cockpit.health import ask
from cockpit.http_protocol import Protocol
from cockpit.running import Part, Start
from cockpit.services import writers
from shared.core.errors import CockpitError

if TYPE_CHECKING:
    from db.pool import Dsns
    from shared.settings import Settings

GRACE_SECONDS = 5
KEEP_ALIVE_SECONDS = 75
"""Longer than clients and load balancers keep an idle connection: who closes first must not be us."""
POLL_SECONDS = 0.01
CATCH_UP_SECONDS = 10.0

BANNER = """
Cockpit is ready.

  API      {url}/api/v1/entities
  docs     {url}/docs
  admin    {url}/admin/
  health   {url}/ping/
  token    {token}
  stop     Ctrl-C
"""
LOG_IN = """curl -s {url}/api/v1/auth/token -H 'Content-Type: application/json' \\
             -d '{{"username": "user_1", "password": "1234"}}'"""
NO_SAMPLES = "cockpit token create USER"
"""How to have a token: of a sample user; in production, where there is none, of one of your own."""


class PortInUse(CockpitError):
    """Port {port} on {host} is in use: set COCKPIT_PORT to another."""

    def __init__(self, host: str, port: int) -> None:
        self.host, self.port = host, port


class CannotListen(CockpitError):
    """Nothing can listen on COCKPIT_HOST {host} with COCKPIT_PORT {port}: {reason}."""

    def __init__(self, host: str, port: int, error: OSError | UnicodeError) -> None:
        self.host, self.port = host, port
        self.reason = getattr(error, "strerror", None) or error


class _Server(uvicorn.Server):
    """uvicorn's server, its signals left to us: it would end the process before the database is stopped."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def bind(settings: Settings) -> socket.socket:
    """Return the listening socket, taken before anything else starts. Raises PortInUse or CannotListen."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((settings.host, settings.port))
        listening.listen()  # to bind alone does not keep others from the port
    except (OSError, UnicodeError) as error:  # the latter for a name that is none
        listening.close()
        if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
            raise PortInUse(settings.host, settings.port) from None
        raise CannotListen(settings.host, settings.port, error) from error
    return listening


async def load_samples(settings: Settings, dsns: Dsns) -> None:
    """Load the sample data into a log that is empty, before anything runs."""
    async with writers(dsns, settings) as writing:
        await load_once(writing.handler, writing.accounts)


def start_api(sides: Sides, on: socket.socket) -> Start:
    """Return what starts the API of these sides, on a socket that listens."""

    async def start(settings: Settings, dsns: Dsns) -> Part:
        app = build_app(settings, dsns, sides)
        server = _server(app, settings)

        def stop() -> None:
            app.state.stopping.set()
            server.should_exit = True

        serving = asyncio.create_task(_serve(server, on), name="api")
        return Part(serving, stop, (asyncio.create_task(_announce(server, app, on), name="announce"),))

    return start


def _server(app: FastAPI, settings: Settings) -> _Server:
    return _Server(
        uvicorn.Config(
            app.middleware_stack or app,  # the one around it measures, for who set that up: nobody
            log_config=None,
            log_level="warning",
            access_log=False,
            server_header=False,
            proxy_headers=bool(settings.trusted_proxies),
            forwarded_allow_ips=settings.trusted_proxies or None,
            http=Protocol,
            ws="none",
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=GRACE_SECONDS,
        )
    )


async def _serve(server: _Server, on: socket.socket) -> None:
    await server.serve(sockets=[on])


async def _announce(server: _Server, app: FastAPI, on: socket.socket) -> None:
    """Say where to look, once the API answers and the read model has what the log had by then."""
    while not server.started:  # noqa: ASYNC110  # uvicorn has no event for it
        await asyncio.sleep(POLL_SECONDS)
    if (known := await ask(app)) is not None:
        await app.state.wait_projected(known["head_position"], CATCH_UP_SECONDS)
    host, port = on.getsockname()[:2]
    url = f"http://{f'[{host}]' if ':' in host else host}:{port}"
    token = NO_SAMPLES if app.state.settings.environment == "production" else LOG_IN.format(url=url)
    print(BANNER.format(url=url, token=token), flush=True)  # noqa: T201
