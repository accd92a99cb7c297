"""What a new set of tables gets once its rows are there, on several connections: the objects of a table one by one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import partial
from queue import SimpleQueue
from threading import Event
from typing import TYPE_CHECKING, Any

import psycopg

from projector.runs import watched
from projector.sets import Sets

if TYPE_CHECKING:
    from projector.sets import Planned

Objects = list["Planned"]
Patiently = Callable[[Callable[[], None]], None]

OF_A_TABLE = ("constraint", "index", "statistics")
"""What hangs on one table, whose name begins its own; whatever else there is comes after all of these."""


def build(
    conninfo: str, planned: Sequence[Planned], jobs: int, patiently: Patiently, told: Callable[[int], None]
) -> None:
    """Make everything that is planned, some tables beside one another.

    `patiently` does what needs a lock that others may have; `told` hears of how many objects there are.
    """
    number = 0
    stages = _stages(planned)
    with _builder(conninfo, min(jobs, max(map(len, stages))), patiently) as begin:
        for stage in stages:
            made: SimpleQueue[BaseException | None] = SimpleQueue()
            for objects in stage:
                begin(objects, made)
            for _ in range(sum(map(len, stage))):
                if (error := made.get()) is not None:
                    raise error
                number += 1
                told(number)


def _stages(planned: Sequence[Planned]) -> tuple[list[Objects], list[Objects]]:
    """Return what can be made at a time, in its order: the objects of each table; then the others."""
    tables: defaultdict[str, Objects] = defaultdict(list)
    for one in planned:
        tables[one.name.partition(".")[0] if one.kind in OF_A_TABLE else ""].append(one)
    others = tables.pop("", [])
    return list(tables.values()), [others]


@contextmanager
def _builder(
    conninfo: str, jobs: int, patiently: Patiently
) -> Iterator[Callable[[Objects, SimpleQueue[BaseException | None]], object]]:
    """Give what begins to make some objects on a connection that is free; when the block fails, all is cancelled."""
    stopping = Event()
    with ExitStack() as stack:
        opened: list[psycopg.Connection[Any]] = []
        free: SimpleQueue[psycopg.Connection[Any]] = SimpleQueue()
        for _ in range(jobs):
            connection = stack.enter_context(psycopg.connect(conninfo, autocommit=True))
            watched(connection)
            opened.append(connection)
            free.put(connection)

        def make(objects: Objects, made: SimpleQueue[BaseException | None]) -> None:
            connection = free.get()
            try:
                for one in objects:
                    if stopping.is_set():
                        return
                    patiently(partial(Sets(connection).build, one))
                    made.put(None)
            except BaseException as error:  # noqa: BLE001  # it is raised where they are counted
                made.put(error)
            finally:
                free.put(connection)

        pool = stack.enter_context(ThreadPoolExecutor(jobs))
        try:
            yield lambda objects, made: pool.submit(make, objects, made)
        except BaseException:
            stopping.set()
            for connection in opened:
                connection.cancel()
            raise
