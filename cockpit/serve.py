"""Running it: one process with everything, or the parts one by one; started in order, stopped in reverse."""

from __future__ import annotations

import asyncio
import errno
import gc
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import uvicorn
import uvloop
from fastapi import FastAPI
from msgspec import Struct

from cockpit.app import Sides, build_app
from cockpit.fixtures import load_once
from cockpit.health import ask
from cockpit.protocol import Protocol
from cockpit.services import writers
from projector.worker import Worker
from shared.core.errors import CockpitError

if TYPE_CHECKING:
    from db.connect import Database
    from db.pool import Dsns
    from shared.settings import Settings

GRACE_SECONDS = 5
KEEP_ALIVE_SECONDS = 75
"""Longer than clients and load balancers keep an idle connection: who closes first must not be us."""
WATCH_SECONDS = 0.5
POLL_SECONDS = 0.01
GC_THRESHOLD = (50_000, 20, 50)
"""How many new objects, and how many rounds, before the collector looks for circles: requests leave few."""
CATCH_UP_SECONDS = 10.0

BANNER = """
Cockpit is ready.

  API      {url}/api/v1/entities
  docs     {url}/docs
  admin    {url}/admin/
  health   {url}/ping/
  token    curl -s {url}/api/v1/auth/token -H 'Content-Type: application/json' \\
             -d '{{"username": "user_1", "password": "1234"}}'
  stop     Ctrl-C
"""


class PortInUse(CockpitError):
    """Port {port} on {host} is in use: set COCKPIT_PORT to another."""

    def __init__(self, host: str, port: int) -> None:
        self.host, self.port = host, port


class DatabaseEnded(CockpitError):
    """The embedded PostgreSQL has ended by itself: see {log}."""

    def __init__(self, log: object) -> None:
        self.log = log


class _Server(uvicorn.Server):
    """uvicorn's server, its signals left to us: it would end the process before the database is stopped."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class Parts(Struct, frozen=True):
    """What one process runs."""

    api: Sides | None = None
    projector: bool = False
    fixtures: bool = False


def bind(settings: Settings) -> socket.socket:
    """Return the listening socket, taken before anything else starts. Raises PortInUse."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((settings.host, settings.port))
        listening.listen()  # to bind alone does not keep others from the port
    except OSError as error:
        listening.close()
        if error.errno == errno.EADDRINUSE:
            raise PortInUse(settings.host, settings.port) from None
        raise
    return listening


def run(settings: Settings, dsns: Dsns, parts: Parts, *, on: socket.socket | None, database: Database) -> None:
    """Run the parts until SIGINT or SIGTERM, or until one of them fails: then raise its error."""
    uvloop.run(_run(settings, dsns, parts, on, database))


async def _run(settings: Settings, dsns: Dsns, parts: Parts, on: socket.socket | None, database: Database) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    if parts.fixtures:
        async with writers(dsns, settings) as writing:
            await load_once(writing.handler, writing.accounts)
    running: list[tuple[asyncio.Task[Any], Callable[[], None]]] = []
    helping: list[asyncio.Task[Any]] = []
    if parts.projector:
        worker = Worker(dsns.of("project"), poll_seconds=settings.poll_seconds, batch_events=settings.batch_events)
        running.append((asyncio.create_task(worker.run(), name="projector"), worker.stop))
    if parts.api is not None and on is not None:
        app = build_app(settings, dsns, parts.api)
        server = _server(app, settings)

        def stop_server() -> None:
            app.state.stopping.set()
            server.should_exit = True

        running.append((asyncio.create_task(_serve(server, on), name="api"), stop_server))
        helping.append(asyncio.create_task(_announce(server, app, on), name="announce"))
    _settle_memory()
    watch = asyncio.create_task(_watch(database), name="database")
    stopping = asyncio.create_task(stop.wait(), name="stop")
    tasks: list[asyncio.Task[Any]] = [task for task, _ in running]
    await asyncio.wait([*tasks, watch, stopping], return_when=asyncio.FIRST_COMPLETED)
    for _, end in reversed(running):
        end()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    for task in (watch, stopping, *helping):
        task.cancel()
    failures = [result for result in results if isinstance(result, BaseException)]
    if watch.done() and not watch.cancelled() and watch.exception() is not None:
        failures.append(watch.exception())  # type: ignore[arg-type]  # just seen not to be None
    for failure in failures:
        raise failure


def _settle_memory() -> None:
    """Look for circles less often, and never through what is there from the start: looking took a third of a second."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLD)


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
    print(BANNER.format(url=f"http://{f'[{host}]' if ':' in host else host}:{port}"), flush=True)  # noqa: T201


async def _watch(database: Database) -> None:
    """Raise DatabaseEnded when the embedded server is gone."""
    while database.alive():  # noqa: ASYNC110  # a process has no event either
        await asyncio.sleep(WATCH_SECONDS)
    raise DatabaseEnded(database.log)
