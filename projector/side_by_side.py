"""Work on several connections at a time, heard of in one place; where some of it fails, the rest is cancelled."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import ExitStack
from queue import SimpleQueue
from threading import Event
from typing import Any, Generic, TypeVar

import psycopg
from msgspec import Struct

from projector.runs import watched

CANCEL_SECONDS = 0.1

Item = TypeVar("Item")
Task = Callable[[psycopg.Connection[Any], Callable[[Item], None]], None]
"""Some work: on a connection in autocommit mode, saying now and then how far it is."""


def side_by_side(conninfo: str, jobs: int, tasks: Sequence[Task[Item]], heard: Callable[[Item], None]) -> None:
    """Do all tasks, so many at a time; `heard` is told, in the thread of the caller, what they say as they say it.

    Raises what the first one that fails raises.
    """
    at_a_time = min(jobs, len(tasks))
    with ExitStack() as stack:
        crew = _Crew[Item]([stack.enter_context(psycopg.connect(conninfo, autocommit=True)) for _ in range(at_a_time)])
        pool = stack.enter_context(ThreadPoolExecutor(at_a_time))
        doing = [pool.submit(crew.do, task) for task in tasks]
        try:
            crew.hear(len(tasks), heard)
        except BaseException:
            while [one for one in wait(doing, timeout=CANCEL_SECONDS).not_done if not one.cancel()]:
                crew.cancel()
            raise


class _Ended(Struct):
    """A task is at its end; why, where it failed."""

    error: BaseException | None


class _Cancelled(Exception):
    """Another task has failed."""


class _Crew(Generic[Item]):
    """Some connections, each for one task at a time, and what the tasks say."""

    def __init__(self, connections: Sequence[psycopg.Connection[Any]]) -> None:
        self._connections = connections
        self._free: SimpleQueue[psycopg.Connection[Any]] = SimpleQueue()
        self._said: SimpleQueue[Item | _Ended] = SimpleQueue()
        self._stopping = Event()
        for connection in connections:
            watched(connection)
            self._free.put(connection)

    def do(self, task: Task[Item]) -> None:
        """Do a task to its end, whatever that is."""
        connection = self._free.get()
        error: BaseException | None = None
        try:
            task(connection, self._say)
        except BaseException as raised:  # noqa: BLE001  # it is raised where it is heard of
            error = raised
        self._free.put(connection)
        self._said.put(_Ended(error))

    def _say(self, item: Item) -> None:
        if self._stopping.is_set():
            raise _Cancelled
        self._said.put(item)

    def hear(self, tasks: int, heard: Callable[[Item], None]) -> None:
        """Hear what so many tasks say, until all are at their end; raise what one of them raised."""
        while tasks:
            item = self._said.get()
            if not isinstance(item, _Ended):
                heard(item)
                continue
            if item.error is not None:
                raise item.error
            tasks -= 1

    def cancel(self) -> None:
        """Let what is being done end: again and again, for what is between two statements hears nothing."""
        self._stopping.set()
        for connection in self._connections:
            connection.cancel()
