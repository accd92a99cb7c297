"""Runs: who asked for rows to be made anew, how far that is, and what came of it; one is under way at a time."""

from __future__ import annotations

import os
import sys
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Literal
from uuid import UUID

import psycopg
from msgspec import Struct, json
from psycopg.conninfo import make_conninfo

from db.queries import statement
from shared.core.errors import UnderWay

if TYPE_CHECKING:
    from collections.abc import Callable

    from psycopg import Connection

LOCK = (4011, 4)
CHANNEL = "cockpit_rebuild"
DSN_VARIABLE = "COCKPIT_REBUILD_DSN"
"""Where a process that does a run finds the database: arguments can be read by everybody on the machine."""
LOCK_SECONDS = 5.0
LOCK_POLL_SECONDS = 0.1
TELL_SECONDS = 0.5
"""How often a run writes down how far it is."""
MOST_ATTEMPTS = 3
"""How often a run that was asked for over HTTP is begun, where the process that does it is ended each time."""

RunKind = Literal["rebuild", "check", "rollback", "entity"]
Phase = Literal["requested", "load", "index", "catch_up", "compare", "switch", "done", "failed"]


def own(conninfo: str) -> str:
    """Return the same conninfo for a connection that does runs: it is no sign that a projector lives."""
    return make_conninfo(conninfo, application_name="cockpit-rebuild")


def watched(connection: Connection[Any]) -> None:
    """Let the server look whether the client of a connection lives: one who is killed holds nothing for long."""
    with suppress(psycopg.errors.InvalidParameterValue):  # not every platform can
        connection.execute("SET client_connection_check_interval = '1s'")


def end_with_input() -> None:
    """End this process, whatever it does, when its standard input ends: when the process that began it does."""

    def wait() -> None:
        while os.read(sys.stdin.fileno(), 1):  # past the buffer, whose lock the end of the interpreter would wait for
            pass
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


class Run(Struct, frozen=True):
    """One run: which one, what it is to do, and how often it has been begun."""

    id: int
    kind: RunKind
    entity_uid: UUID | None
    attempts: int


class Progress(Struct, frozen=True):
    """How far a run is: how many of how many, in this phase."""

    phase: Phase
    done: int
    total: int


class Runs:
    """The runs of a database, by way of a connection in autocommit mode; it holds the lock of the one that goes on."""

    def __init__(self, connection: Connection[Any], tell: Callable[[Progress], None] = lambda _: None) -> None:
        self._connection = connection
        self._tell = tell
        self._told_at = 0.0
        self._phase: Phase | None = None
        watched(connection)

    def take(self) -> None:
        """Take the lock; what an ended process left unfinished has failed. Raises UnderWay."""
        give_up = time.monotonic() + LOCK_SECONDS
        while self._connection.execute("SELECT pg_try_advisory_lock(%s, %s)", LOCK).fetchone() != (True,):
            if time.monotonic() > give_up:
                raise UnderWay
            time.sleep(LOCK_POLL_SECONDS)

    def add(self, kind: RunKind, requested_by: str, entity_uid: UUID | None = None) -> Run:
        """Write down a run that begins now, under the lock; whatever else is unfinished has failed. Raises UnderWay."""
        parameters = {"kind": kind, "entity_uid": entity_uid, "requested_by": requested_by}
        try:
            with self._connection.transaction():
                self._connection.execute(statement("projector/fail_left_runs"))
                row = self._connection.execute(statement("projector/add_run"), parameters).fetchone()
        except psycopg.errors.UniqueViolation as error:
            raise UnderWay from error
        assert row is not None  # noqa: S101  # an insert returns its row
        return Run(*row)

    def begin(self, run_id: int) -> Run | None:
        """Begin, once more perhaps, a run that was asked for; None where it has been finished meanwhile."""
        row = self._connection.execute(statement("projector/begin_run"), {"id": run_id}).fetchone()
        return None if row is None else Run(*row)

    def tell(self, run: Run, phase: Phase, done: int = 0, total: int = 0) -> None:
        """Say how far a run is; now and then, and with every phase, that is written down as well."""
        self._tell(Progress(phase, done, total))
        now = time.monotonic()
        if phase != self._phase or now - self._told_at >= TELL_SECONDS:
            parameters = {"id": run.id, "phase": phase, "done": done, "total": total}
            self._connection.execute(statement("projector/tell_run"), parameters)
            self._phase, self._told_at = phase, now

    def record(self, run: Run, result: object = None, error: str | None = None) -> None:
        """Write down what came of a run, in the caller's transaction where there is one."""
        told = None if result is None else json.encode(result).decode()
        parameters = {"id": run.id, "phase": "failed" if error else "done", "result": told, "error": error}
        self._connection.execute(statement("projector/finish_run"), parameters)

    def finish(self, run: Run, result: object = None, error: str | None = None) -> None:
        """Write down what came of a run, and say that it has ended."""
        self.record(run, result, error)
        self._tell(Progress("failed" if error else "done", 0, 0))
