"""Statements of the read side, run in few round trips: what waits at the same moment is asked together.

Identical questions share an answer. Some statements answer many at once that differ in a parameter or two: they take
arrays of these, and give the answers in their order. Each has at least one row, and its first one alone has a position.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

from msgspec import Struct

from db import arrays, asking
from db.arrays import Pack
from db.coalescing import Coalescing
from shared.core.errors import Unavailable

if TYPE_CHECKING:
    from psycopg_pool import AsyncConnectionPool

    from db.pool import Connection

Row = tuple[Any, ...]
TOGETHER: Mapping[str, tuple[str, ...]] = {
    "read/get_entity": ("uid",),
    "read/get_entity_as_of": ("uid", "as_of"),
    "read/get_entity_known": ("uid", "as_of", "known"),
    "read/list_history": ("uid",),
    "read/list_current": ("type", "limit", "offset", "counted"),
    "read/list_newest": (
        *("type", "known", "as_of", "now", "after_instant", "after_uid", "backward"),
        *("limit", "offset", "counted"),
    ),
    "read/list_by_uid": ("known", "as_of", "now", "after_uid", "backward", "limit", "offset", "counted"),
    "read/list_audit": ("now", "known", "limit", "offset", "counted", "backward", "after_number"),
    "read/list_audit_of_entity": ("uid", "now", "known", "limit", "offset", "counted", "backward", "after_number"),
}
"""The statements that answer many questions at once, and the parameters that these may differ in."""
PACKS: Mapping[str, Pack] = {
    "uid": arrays.uuids,
    "as_of": arrays.instants,
    "now": arrays.instants,
    "known": arrays.bigints,
    "after_instant": arrays.instants,
    "after_uid": arrays.uuids,
    "backward": arrays.booleans,
    "limit": arrays.bigints,
    "offset": arrays.bigints,
    "counted": arrays.booleans,
    "type": arrays.texts,
    "after_number": arrays.bigints,
}
"""How the values of such a parameter become an array."""


class Answer(Struct):
    """What a statement found, for all who asked the same at the same moment, and what the first of them made of it."""

    rows: list[Row]
    made: Any = None


class Group(NamedTuple):
    """What is asked together: a statement, and the parameters that are the same for all."""

    name: str
    prepare: bool
    params: tuple[tuple[str, Any], ...]


class Statements:
    """Runs statements on connections of a pool.

    Raises Unavailable when the database does not answer, and where nothing is found: there is always a checkpoint else.
    """

    def __init__(self, pool: AsyncConnectionPool[Connection]) -> None:
        self._pool = pool
        self._together: Coalescing[Group, Row, Answer] = Coalescing(self._ask)

    async def ask(self, name: str, params: Mapping[str, Any], *, prepare: bool) -> Answer:
        """Return what a statement finds for these parameters, at least one row; others may be given the same answer."""
        same = dict(params)
        key = tuple([same.pop(parameter) for parameter in TOGETHER.get(name, ())])
        return await self._together(Group(name, prepare, tuple(same.items())), key)

    async def _ask(self, group: Group, keys: Sequence[Row]) -> list[Answer]:
        several = TOGETHER.get(group.name)
        if several is None:
            return [Answer(await self._run(group, {}))]
        columns = zip(several, zip(*keys, strict=True), strict=True)
        rows = await self._run(group, {parameter: PACKS[parameter](values) for parameter, values in columns})
        starts = [place for place, row in enumerate(rows) if row[0] is not None]
        return [Answer(rows[start:end]) for start, end in pairwise([*starts, len(rows)])]

    async def _run(self, group: Group, arrays: Mapping[str, Any]) -> list[Row]:
        params = {**dict(group.params), **arrays}
        rows = await asking.ask_one_of(self._pool, group.name, params, prepare=group.prepare)
        if not rows:
            raise Unavailable("The read model has no checkpoint: it is being built.", retry_after=1)
        return rows
