"""What a new set of tables gets once its rows are there: the objects of a table one by one, some tables at a time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from projector.sets import Sets
from projector.side_by_side import side_by_side

if TYPE_CHECKING:
    import psycopg

    from projector.sets import Planned

OF_A_TABLE = ("constraint", "index", "statistics")
"""What hangs on one table, whose name begins its own; whatever else there is comes after all of these."""

Patiently = Callable[[Callable[[], None]], None]


def build(
    conninfo: str, planned: Sequence[Planned], jobs: int, patiently: Patiently, told: Callable[[int], None]
) -> None:
    """Make everything that is planned.

    `patiently` does what needs a lock that others may have; `told` hears of how many objects there are.
    """
    built = 0

    def heard(_: Planned) -> None:
        nonlocal built
        built += 1
        told(built)

    def make(objects: Sequence[Planned], connection: psycopg.Connection[Any], say: Callable[[Planned], None]) -> None:
        sets = Sets(connection)
        for one in objects:
            patiently(partial(sets.build, one))
            say(one)

    tables: defaultdict[str, list[Planned]] = defaultdict(list)
    for one in planned:
        if one.kind in OF_A_TABLE:
            tables[one.name.partition(".")[0]].append(one)
    side_by_side(conninfo, jobs, [partial(make, objects) for objects in tables.values()], heard)
    side_by_side(conninfo, 1, [partial(make, [one for one in planned if one.kind not in OF_A_TABLE])], heard)
